package objectdb

import (
	"bytes"
	"sort"

	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/wire"
)

// format writes marks for parts of the text that the path leads to.
func (r *restorer) format(marks []plainMark) {
	if len(marks) == 0 {
		return
	}
	r.op(localFormats)
	r.ops = wire.AppendArray(r.ops, 5*len(marks))
	for _, m := range marks {
		r.ops = wire.AppendUint(wire.AppendUint(r.ops, uint64(m.from)), uint64(m.end))
		r.ops = append(wire.AppendUint(wire.AppendString(r.ops, m.name), m.expand), m.value...)
	}
}

// formatOnly writes that a part of the text has some marks, and no others.
func (r *restorer) formatOnly(from, end int32, marks []plainMark) {
	r.op(localFormat)
	r.ops = wire.AppendUint(wire.AppendUint(r.ops, uint64(from)), uint64(end))
	r.ops = wire.AppendArray(wire.AppendBool(r.ops, true), 3*len(marks))
	for _, m := range marks {
		r.ops = append(wire.AppendUint(wire.AppendString(r.ops, m.name), m.expand), m.value...)
	}
}

// fill formats the texts in a value that was made anew under the path.
func (r *restorer) fill(x []byte) {
	switch kindOf(x) {
	case valueText:
		marks, _ := marksOf(x)
		r.format(marks)
	case valueMap:
		for _, e := range entries(x) {
			r.at(wire.AppendString(nil, e.name), func() { r.fill(e.value) })
		}
	case valueList:
		for i, e := range entries(x) {
			r.at(wire.AppendUint(nil, uint64(i)), func() { r.fill(e.value) })
		}
	}
}

// formats formats text now as before was, once the steps have made its content that
// of before: where it differs, and all that was inserted.
func (r *restorer) formats(steps []TextStep, before, now []byte) {
	marks, everBefore := marksOf(before)
	present, ever := marksOf(now)
	if !everBefore && !ever {
		return
	}
	length := int32(rope.Units(charsOf(now)))
	w := formatWalk{
		before: runCursor{runs: runsOfMarks(present, length)},
		after:  runCursor{runs: runsOfMarks(marks, int32(rope.Units(charsOf(before))))},
	}
	f := formatRestorer{restorer: r, wanted: byMarkName(marks), present: byMarkName(present), last: map[string]int{}}
	w.walk(steps, length, func(from, n, stood int32, was, is []byte) {
		a := attributeReader(attributesChanged(was, is))
		for a.next(); a.more; a.next() {
			f.add(reformatted{from, from + n, stood, stood + n, a.name, a.value})
		}
	}, func(from int32, chars, is []byte) {
		f.inserted(from, from+int32(rope.Units(chars)))
	}, func(int32) {})
	f.endInserted()
	for i := range f.changed {
		f.made = append(f.made, f.change(&f.changed[i]))
	}
	sort.SliceStable(f.made, func(i, j int) bool { return f.made[i].from < f.made[j].from })
	f.format(f.made)
}

// reformatted is a part of a text that is to have another value of a mark, and where
// it stood.
type reformatted struct {
	from, end             int32
	stoodFrom, stoodUntil int32
	name                  string
	value                 []byte
}

// formatRestorer writes how a text is formatted.
type formatRestorer struct {
	*restorer
	wanted, present map[string][]plainMark // by name, ascending
	changed         []reformatted
	last            map[string]int // of changed, by name
	made            []plainMark

	from, end int32 // what was inserted together
	runs      int   // in how many parts that are formatted alike
}

func byMarkName(marks []plainMark) map[string][]plainMark {
	out := map[string][]plainMark{}
	for _, m := range marks {
		out[m.name] = append(out[m.name], m)
	}
	return out
}

// partAt is the part of a mark that a position is in, or nil.
func partAt(marks []plainMark, pos int32) *plainMark {
	if i := sort.Search(len(marks), func(i int) bool { return marks[i].end > pos }); i < len(marks) && marks[i].from <= pos {
		return &marks[i]
	}
	return nil
}

// add notes what is to be formatted in another way.
func (f *formatRestorer) add(c reformatted) {
	if i, ok := f.last[c.name]; ok {
		if p := &f.changed[i]; p.end == c.from && bytes.Equal(p.value, c.value) {
			p.end, p.stoodUntil = c.end, c.stoodUntil
			return
		}
	}
	f.last[c.name] = len(f.changed)
	f.changed = append(f.changed, c)
}

// change is the mark for a part. Where it meets more of what it is a part of, what is
// inserted between them is formatted too; else it grows as that does.
func (f *formatRestorer) change(c *reformatted) plainMark {
	m := plainMark{from: c.from, end: c.end, name: c.name, value: c.value}
	if p := partAt(f.wanted[c.name], c.from); p != nil {
		m.expand = growth(p, c.from, c.end)
	} else {
		m.expand = f.removalGrowth(c)
	}
	return m
}

// growth is how a part of a mark's part grows.
func growth(of *plainMark, from, end int32) (expand uint64) {
	if from > of.from || of.expand&expandBefore != 0 {
		expand |= expandBefore
	}
	if end < of.end || of.expand&expandAfter != 0 {
		expand |= expandAfter
	}
	return expand
}

// removalGrowth is how the removal of a mark grows: as what it takes away; beside what
// stays of that, over all that this does not grow over.
func (f *formatRestorer) removalGrowth(c *reformatted) (expand uint64) {
	present, wanted := f.present[c.name], f.wanted[c.name]
	first, last := partAt(present, c.stoodFrom), partAt(present, c.stoodUntil-1)
	if first == nil || last == nil {
		return 0
	}
	before, after := first.expand&expandBefore != 0, last.expand&expandAfter != 0
	if first.from < c.stoodFrom {
		p := partAt(wanted, c.from-1)
		before = p == nil || p.expand&expandAfter == 0
	}
	if last.end > c.stoodUntil {
		p := partAt(wanted, c.end)
		after = p == nil || p.expand&expandBefore == 0
	}
	if before {
		expand |= expandBefore
	}
	if after {
		expand |= expandAfter
	}
	return expand
}

// inserted notes a part that was inserted and is formatted alike.
func (f *formatRestorer) inserted(from, end int32) {
	if from > f.end {
		f.endInserted()
	}
	if f.runs == 0 {
		f.from = from
	}
	f.end = end
	f.runs++
}

// endInserted formats what was inserted together: if it is formatted alike by what it
// lacks of that, else anew.
func (f *formatRestorer) endInserted() {
	if f.runs == 0 {
		return
	}
	alike := f.runs == 1
	f.runs = 0
	var parts []plainMark
	for _, marks := range f.wanted {
		i := sort.Search(len(marks), func(i int) bool { return marks[i].end > f.from })
		for ; i < len(marks) && marks[i].from < f.end; i++ {
			m := marks[i]
			from, end := max(m.from, f.from), min(m.end, f.end)
			m.expand = growth(&m, from, end)
			m.from, m.end = from, end
			parts = append(parts, m)
		}
	}
	sort.Slice(parts, func(i, j int) bool {
		return parts[i].from < parts[j].from || parts[i].from == parts[j].from && parts[i].name < parts[j].name
	})
	if alike {
		f.formatOnly(f.from, f.end, parts)
		return
	}
	f.formatOnly(f.from, f.end, nil)
	f.made = append(f.made, parts...)
}
