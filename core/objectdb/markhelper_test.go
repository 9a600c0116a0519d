package objectdb

import (
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// attributes are the marks over a character, by name: encoded values, for people.
type attributes map[string]string

// over is what they make of those before.
func (a attributes) over(before attributes) attributes {
	out := maps.Clone(before)
	if out == nil {
		out = attributes{}
	}
	for name, v := range a {
		if out[name] = v; v == "nil" {
			delete(out, name)
		}
	}
	return out
}

// String is a b:1 c:"x".
func (a attributes) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if v := a[name]; v == "true" {
			parts = append(parts, name)
		} else {
			parts = append(parts, name+":"+v)
		}
	}
	return strings.Join(parts, " ")
}

// readAttributes reads nil or [name, value, ...].
func readAttributes(r *wire.Reader) attributes {
	a := attributes{}
	if r.SkipNil() {
		return a
	}
	for n := r.ArrayLen(math.MaxInt32); n > 0; n -= 2 {
		name := r.String(math.MaxInt32)
		a[name] = text(r)
	}
	return a
}

// unitMarks are the marks over each unit of a text.
func unitMarks(t failer, db *DB, x Text) []attributes {
	t.Helper()
	b, err := db.TextMarks(x)
	if err != nil {
		t.Fatal(err)
	}
	r := wire.NewReader(b)
	out := []attributes{}
	n := r.ArrayLen(math.MaxInt32)
	for k := n; k > 0; k-- {
		values := r.ArrayLen(math.MaxInt32) - 1
		units := int(r.Uint(math.MaxInt32))
		a := attributes{}
		for ; values > 0; values -= 2 {
			name := r.String(math.MaxInt32)
			a[name] = text(r)
		}
		out = append(out, slices.Repeat([]attributes{a}, units)...)
	}
	if err := r.Done("marks"); err != nil {
		t.Fatal(err)
	}
	length, _ := db.TextLength(x)
	if n == 0 {
		out = slices.Repeat([]attributes{{}}, length)
	}
	if len(out) != length {
		t.Fatalf("marks of %d units, the text has %d", len(out), length)
	}
	return out
}

// marked is a text with its marks, for people: a{bold}bc.
func marked(t failer, db *DB, x Text) string {
	t.Helper()
	units := utf16.Encode([]rune(contentOf(t, db, x)))
	var out strings.Builder
	over := unitMarks(t, db, x)
	for i := 0; i < len(units); {
		end := i
		for end < len(units) && maps.Equal(over[end], over[i]) {
			end++
		}
		part := string(utf16.Decode(units[i:end]))
		if len(over[i]) > 0 {
			part = "{" + over[i].String() + "|" + part + "}"
		}
		out.WriteString(part)
		i = end
	}
	return out.String()
}

// markOf is a mark to make.
type markOf struct {
	name   string
	expand uint64
	value  []byte
}

func opFormat(obj id.ObjectID, from, end int, marks []markOf, path ...any) []byte {
	b := append(opHead(localFormat, obj), opPath(path)...)
	b = wire.AppendUint(wire.AppendUint(b, uint64(from)), uint64(end))
	b = wire.AppendBool(b, false)
	return appendMarks(b, marks)
}

// opFormatOnly takes all other marks away.
func opFormatOnly(obj id.ObjectID, from, end int, marks []markOf, path ...any) []byte {
	b := append(opHead(localFormat, obj), opPath(path)...)
	b = wire.AppendUint(wire.AppendUint(b, uint64(from)), uint64(end))
	return appendMarks(wire.AppendBool(b, true), marks)
}

func appendMarks(b []byte, marks []markOf) []byte {
	b = wire.AppendArray(b, 3*len(marks))
	for _, m := range marks {
		b = append(wire.AppendUint(wire.AppendString(b, m.name), m.expand), m.value...)
	}
	return b
}

func vBool(v bool) []byte { return wire.AppendBool(nil, v) }

// mark marks a part of the text at t of the first object, as an editor does:
// links and comments grow at no end, the others at theirs.
func (s *site) mark(from, end int, name string, value []byte) {
	s.t.Helper()
	expand := uint64(expandAfter)
	if name == "link" || strings.HasPrefix(name, "comment") {
		expand = 0
	}
	s.do(opFormat(objID(1), from, end, []markOf{{name, expand, value}}, "t"))
}

func (s *site) wantMarked(want string) {
	s.t.Helper()
	if got := marked(s.t, s.db, s.text(1, "t")); got != want {
		s.t.Errorf("the text is %s\nwant %s", got, want)
	}
}
