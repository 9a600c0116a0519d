package objectdb

import (
	"bytes"
	"math"

	"github.com/echospace/echospace/core/wire"
)

// formattedRun is characters that are formatted alike, up to a position.
type formattedRun struct {
	end        int32
	attributes []byte // as appendAttributes gives them; nil is none
}

// formattedRuns gives how a text that is watched is formatted.
func (db *DB) formattedRuns(x *textState) (runs []formattedRun) {
	if x.watched {
		db.attributes(x.marks, 0, int32(db.ropes.Len(x.content)), func(_, end int32, attributes []byte) {
			runs = append(runs, formattedRun{end, attributes})
		})
	}
	return runs
}

// logFormatted tells who watches a text how it is formatted in another way than
// before.
func (db *DB) logFormatted(x *textState, c int32, before []formattedRun, local bool) {
	now := db.formattedRuns(x)
	from := int32(0)
	for len(now) > 0 {
		end := min(before[0].end, now[0].end)
		if a := attributesChanged(before[0].attributes, now[0].attributes); a != nil {
			db.log(x, c, textChange{pos: from, deleted: end - from, formats: true, attributes: a, local: local})
		}
		if before[0].end == end {
			before = before[1:]
		}
		if now[0].end == end {
			now = now[1:]
		}
		from = end
	}
}

// attributesChanged gives which names have other values in one array [name, value,
// ...] than in another: an array of the same form, in which a name that is there no
// longer has nil. The names ascend; nil for an array is an empty one, and says that
// nothing differs.
func attributesChanged(before, now []byte) []byte {
	if bytes.Equal(before, now) {
		return nil
	}
	a, b := attributeReader(before), attributeReader(now)
	var out []byte
	count := 0
	add := func(name string, value []byte) {
		out = append(wire.AppendString(out, name), value...)
		count += 2
	}
	a.next()
	b.next()
	for a.more || b.more {
		switch {
		case !b.more || a.more && a.name < b.name:
			add(a.name, markRemoved)
			a.next()
		case !a.more || b.name < a.name:
			add(b.name, b.value)
			b.next()
		default:
			if !bytes.Equal(a.value, b.value) {
				add(b.name, b.value)
			}
			a.next()
			b.next()
		}
	}
	return append(wire.AppendArray(nil, count), out...)
}

// attributeList reads an array [name, value, ...].
type attributeList struct {
	raw   []byte
	r     *wire.Reader
	left  int
	name  string
	value []byte
	more  bool // name and value are set
}

func attributeReader(raw []byte) *attributeList {
	a := &attributeList{raw: raw, r: wire.NewReader(raw)}
	if raw != nil {
		a.left = a.r.ArrayLen(math.MaxInt32)
	}
	return a
}

func (a *attributeList) next() {
	if a.more = a.left > 0; a.more {
		a.left -= 2
		a.name = a.r.String(math.MaxInt32)
		from := a.r.Offset()
		a.r.Skip()
		a.value = a.raw[from:a.r.Offset()]
	}
}
