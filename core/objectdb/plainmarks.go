package objectdb

import (
	"math"

	"github.com/echospace/echospace/core/wire"
)

// appendPlainText appends a text as Plain gives it.
func (db *DB) appendPlainText(b []byte, c int32) []byte {
	x := db.textOf(c)
	m := x.marks
	size := 2
	if m != nil {
		size = 3
	}
	chars := db.ropes.Append(nil, x.content, 0, db.ropes.Len(x.content))
	b = wire.AppendString(wire.AppendUint(wire.AppendArray(b, size), valueText), string(chars))
	if m == nil {
		return b
	}
	list := db.formatsOf(x)
	b = wire.AppendArray(b, 5*len(list))
	for _, f := range list {
		b = wire.AppendUint(wire.AppendUint(b, uint64(f.from)), uint64(f.end))
		b = append(wire.AppendUint(wire.AppendString(b, string(db.keys.At(f.name))), f.expand), f.value...)
	}
	return b
}

// plainMark is a part of a plain text that has one value of one mark.
type plainMark struct {
	from, end int32
	name      string
	expand    uint64
	value     []byte
}

// marksOf are those of a plain text; ever tells whether it was ever formatted.
func marksOf(raw []byte) (marks []plainMark, ever bool) {
	r := wire.NewReader(raw)
	if r.ArrayLen(3) < 3 {
		return nil, false
	}
	r.Uint(math.MaxUint8)
	r.Skip()
	marks = make([]plainMark, r.ArrayLen(math.MaxInt32)/5)
	for i := range marks {
		m := &marks[i]
		m.from, m.end = int32(r.Uint(math.MaxInt32)), int32(r.Uint(math.MaxInt32))
		m.name, m.expand = r.String(math.MaxInt32), r.Uint(math.MaxUint8)
		m.value = r.Skip()
	}
	return marks, true
}

// appendShownText is appendShown of a text.
func appendShownText(b, raw []byte, keep bool) []byte {
	marks, _ := marksOf(raw)
	size := 2
	if keep = keep && len(marks) > 0; keep {
		size = 3
	}
	b = wire.AppendString(wire.AppendUint(wire.AppendArray(b, size), valueText), string(charsOf(raw)))
	if keep {
		b = wire.AppendArray(b, 4*len(marks))
		for _, m := range marks {
			b = wire.AppendUint(wire.AppendUint(b, uint64(m.from)), uint64(m.end))
			b = append(wire.AppendString(b, m.name), m.value...)
		}
	}
	return b
}

// runsOfMarks gives how a text of so many units is formatted.
func runsOfMarks(marks []plainMark, length int32) (runs []formattedRun) {
	var over []*plainMark // by their names
	for at := int32(0); at < length; {
		stay := over[:0]
		for _, m := range over {
			if m.end > at {
				stay = append(stay, m)
			}
		}
		over = stay
		for ; len(marks) > 0 && marks[0].from <= at; marks = marks[1:] {
			over = append(over, &marks[0])
			for i := len(over) - 1; i > 0 && over[i-1].name > over[i].name; i-- {
				over[i-1], over[i] = over[i], over[i-1]
			}
		}
		end := length
		if len(marks) > 0 {
			end = min(end, marks[0].from)
		}
		var attributes []byte
		if len(over) > 0 {
			attributes = wire.AppendArray(nil, 2*len(over))
		}
		for _, m := range over {
			end = min(end, m.end)
			attributes = append(wire.AppendString(attributes, m.name), m.value...)
		}
		runs = append(runs, formattedRun{end, attributes})
		at = end
	}
	return runs
}

// runCursor goes through the runs of a text.
type runCursor struct {
	runs []formattedRun
	at   int32
}

// next gives how many of n units, all of which are in the text, are formatted alike
// from the cursor on, and how.
func (c *runCursor) next(n int32) (int32, []byte) {
	for len(c.runs) > 0 && c.runs[0].end <= c.at {
		c.runs = c.runs[1:]
	}
	if len(c.runs) == 0 {
		return n, nil
	}
	return min(n, c.runs[0].end-c.at), c.runs[0].attributes
}
