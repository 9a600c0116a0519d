package objectdb

import (
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
)

// Marks are taken back by further marks. A text keeps all that it ever got, with
// their stamps, so what a character showed before a mark is the latest of the
// earlier ones over it, and no step has to remember it. What is put back stands for
// what it is equal to: the steps of that take it back as they do the original
// (undoRun.formats), as long as nothing else has come over it.

// unmarked and keep are, in the place of a mark, none, and the one that is there.
const (
	unmarked = noMark
	keep     = noMark - 1
)

// markRun takes the marks of a step in one text back.
type markRun struct {
	*undoRun
	c    int32
	m    *marks
	own  map[written]crdt.Stamp // the marks of the step, with what they stand for
	same map[int32]int32        // the marks that were made, with what they are equal to
}

// reformat is a part of a text that is to have a mark of a name equal to another one.
type reformat struct {
	from, end  int32
	name, mark int32
	expand     uint64
}

// remark takes the marks of the step in a text back, once its edits are, and has what
// these put back formatted as it would be had it stayed.
func (run *undoRun) remark(c int32) error {
	db, x := run.db, run.db.textOf(c)
	f := &markRun{undoRun: run, c: c, m: x.marks, own: map[written]crdt.Stamp{}, same: map[int32]int32{}}
	for _, r := range run.step.records {
		if r = run.current(r); r.kind == recFormat && r.container == c {
			f.own[written{at: r.after, item: none}] = r.before
		}
	}
	parts := f.undone()
	now := x.replacements(run.replaced, c, nil)
	all := now
	if len(parts) > 0 {
		all = append(db.replacements(x, c), now...)
	}
	back := f.putBack(all, len(now), parts)
	if err := f.apply(parts); err != nil {
		return err
	}
	return f.reformat(back)
}

// putBack gives what is there of elements that were put back, fresh of them by this
// undo, and of the others where a mark of the step shows.
func (f *markRun) putBack(all []egwalker.Replacement, fresh int, parts []reformat) (back []restored) {
	db, m := f.db, f.m
	x := db.textOf(f.c)
	shows := spans(parts)
	front := db.frontMarks(m)
	x.history.PutBack(all, fresh, x.boundPlaces(), byName{db.graph, x.nodes}, func(i int) bool {
		// What this stack made meanwhile is undone, or was and is done again.
		b := m.bounds[i].mark
		return b != noMark && db.graph.FeedID(db.graph.FeedOf(m.rows[b/2].at.Node)) == db.writer
	}, func(pos, n int32, fresh bool) bool {
		return fresh || shows.overlap(x.textPosition(pos), x.textPosition(pos+n))
	}, front.flip, func(pos, n int32, fresh bool) {
		back = append(back, restored{pos: x.textPosition(pos), n: n, marks: f.wanted(front.over), fresh: fresh})
	})
	return back
}

// frontMarks are the marks over something, by which boundaries are in front of it.
type frontMarks struct {
	db   *DB
	m    *marks
	ends []uint8 // of each mark, which boundaries are in front
	over []int32
}

// What frontMarks.ends tells of a mark.
const (
	frontStart = 1 << iota // its start is in front
	frontEnd               // its end is
	endFirst               // the end stands in front of the start, of a faulty writer: it does not count
	startSeen              // while they are gone through
)

func (db *DB) frontMarks(m *marks) *frontMarks {
	f := &frontMarks{db: db, m: m, ends: make([]uint8, len(m.rows))}
	for i := range m.bounds {
		switch b := m.bounds[i].mark; {
		case b == noMark:
		case b&1 == 0:
			f.ends[b/2] |= startSeen
		case f.ends[b/2]&startSeen == 0:
			f.ends[b/2] |= endFirst
		}
	}
	return f
}

// flip says that a boundary is in front now, or no longer.
func (f *frontMarks) flip(i int) {
	b := f.m.bounds[i].mark
	if b == noMark || f.m.rows[b/2].ends != 2 {
		return
	}
	row := b / 2
	over := func() bool { return f.ends[row]&frontStart != 0 && f.ends[row]&(frontEnd|endFirst) != frontEnd }
	was := over()
	f.ends[row] ^= frontStart << (b & 1)
	switch is := over(); {
	case is && !was:
		f.over = f.db.addOver(f.m, f.over, row)
	case was && !is:
		f.over = dropOver(f.over, row)
	}
}

// spanList are parts of a text, ascending, that do not meet.
type spanList [][2]int32

// spans gives where there are parts.
func spans(parts []reformat) (list spanList) {
	for _, p := range parts {
		list = append(list, [2]int32{p.from, p.end})
	}
	sort.Slice(list, func(i, j int) bool { return list[i][0] < list[j][0] })
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && s[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], s[1])
		} else {
			out = append(out, s)
		}
	}
	return out
}

// overlap reports whether one of them has characters between two positions.
func (l spanList) overlap(from, end int32) bool {
	i := sort.Search(len(l), func(i int) bool { return l[i][1] > from })
	return i < len(l) && l[i][0] < end
}

// before is the mark of a name that counted before the step, of those over something,
// or keep if none of the step's counts of them.
func (f *markRun) before(over []int32, name int32) int32 {
	db, m := f.db, f.m
	i := len(over) - 1
	for i >= 0 && m.rows[over[i]].name != name {
		i--
	}
	if i < 0 {
		return keep
	}
	limit := m.rows[over[i]].at
	at, ok := f.own[written{at: limit, item: none}]
	if !ok {
		return keep
	}
	for {
		if db.graph.Compare(at, limit) < 0 {
			limit = at
		}
		for i--; i >= 0 && m.rows[over[i]].name == name && db.graph.Compare(m.rows[over[i]].at, limit) >= 0; i-- {
		}
		if i < 0 || m.rows[over[i]].name != name {
			return unmarked
		}
		limit = m.rows[over[i]].at
		if at, ok = f.own[written{at: limit, item: none}]; !ok {
			return over[i]
		}
	}
}

// undone gives the parts of a text that show a mark of the step. Their ends keep to
// what those of the marks keep to.
func (f *markRun) undone() (parts []reformat) {
	if len(f.own) == 0 {
		return nil
	}
	var open []reformat // of each name of the step what is not at its end
	at := map[int32]int{}
	for i := range f.m.rows {
		r := &f.m.rows[i]
		if _, named := at[r.name]; named {
			continue
		}
		if _, ok := f.own[written{at: r.at, item: none}]; ok {
			at[r.name] = len(open)
			open = append(open, reformat{name: r.name, mark: keep})
		}
	}
	end := func(part *reformat, pos, next int32, side egwalker.Kind) {
		if part.mark != keep && pos > part.from {
			if part.end = pos; side == egwalker.InsertBefore {
				part.expand |= expandAfter
			}
			parts = append(parts, *part)
		}
		*part = reformat{from: pos, name: part.name, mark: next}
		if side == egwalker.InsertAfter {
			part.expand = expandBefore
		}
	}
	var over []int32
	for i := range f.m.bounds {
		b := &f.m.bounds[i]
		over = f.db.cover(f.m, over, b)
		if b.mark == noMark {
			continue
		}
		if k, ok := at[f.m.rows[b.mark/2].name]; ok {
			if next := f.before(over, open[k].name); next != open[k].mark {
				end(&open[k], b.at, next, b.side)
			}
		}
	}
	for k := range open {
		end(&open[k], int32(f.db.ropes.Len(f.db.textOf(f.c).content)), keep, egwalker.InsertAfter)
	}
	return parts
}

// apply makes marks.
func (f *markRun) apply(parts []reformat) error {
	list := make([]newMark, len(parts))
	for i, p := range parts {
		list[i] = newMark{p.from, p.end, p.name, p.expand, markRemoved}
		if p.mark != unmarked {
			list[i].value = f.m.value(p.mark)
		}
	}
	row := int32(len(f.m.rows))
	if err := f.db.format(f.c, list...); err != nil {
		return err
	}
	for _, p := range parts {
		f.same[row] = p.mark
		if p.mark != unmarked {
			f.formats = append(f.formats, undoRecord{kind: recFormat, container: f.c, before: f.m.rows[p.mark].at, after: f.m.rows[row].at})
		}
		row++
	}
	return nil
}

// restored is a part of a text that was put back, and the marks that it is to have.
type restored struct {
	pos, n int32
	marks  []wanted
	fresh  bool // by this undo; else only marks of the step are of interest
}

// wanted is the mark of a name that something is to have. undone says that the step
// has another one there, so that it is to be made even if it seems to be there.
type wanted struct {
	name, mark int32
	undone     bool
}

// wanted says which marks are to be where some were over what was put back, once the
// step is taken back.
func (f *markRun) wanted(over []int32) (list []wanted) {
	for i, row := range over {
		if !f.m.counts(over, i) {
			continue
		}
		w := wanted{name: f.m.rows[row].name}
		if w.mark = f.before(over[:i+1], w.name); w.mark == keep {
			w.mark = row
		} else {
			w.undone = true
		}
		list = append(list, w)
	}
	return list
}

// mark is what is to be there of a name, or nil.
func (r *restored) mark(name int32) *wanted {
	for i := range r.marks {
		if r.marks[i].name == name {
			return &r.marks[i]
		}
	}
	return nil
}

// reformat gives parts of a text that were put back, ascending, the marks that they
// are to have, where what is around them does not.
func (f *markRun) reformat(back []restored) error {
	if len(back) == 0 {
		return nil
	}
	m := f.m
	expands := m.expands()
	var parts []reformat
	last := map[int32]int{}                          // of parts, by their name
	add := func(from, end, name, mark, like int32) { // it grows as that does
		if i, ok := last[name]; ok && parts[i].end == from && parts[i].mark == mark {
			parts[i].end = end
			return
		}
		p := reformat{from: from, end: end, name: name, mark: mark}
		if like != unmarked {
			p.expand = expands[like]
		}
		last[name] = len(parts)
		parts = append(parts, p)
	}
	end := back[len(back)-1]
	f.db.segments(m, back[0].pos, end.pos+end.n, func(from, end int32, over []int32) {
		for ; len(back) > 0 && back[0].pos < end; back = back[1:] {
			b := &back[0]
			f.missing(b, over, func(name, mark, like int32) {
				add(max(from, b.pos), min(end, b.pos+b.n), name, mark, like)
			})
			if b.pos+b.n > end {
				break
			}
		}
	})
	return f.apply(parts)
}

// missing gives which marks something that was put back is to have, and is to grow
// like, that those over it do not come to.
func (f *markRun) missing(b *restored, over []int32, add func(name, mark, like int32)) {
	m := f.m
	for _, w := range b.marks {
		now := m.winner(over, w.name)
		same, made := f.same[now]
		if !b.fresh && !w.undone || made && same == w.mark || !made && now == w.mark && !w.undone {
			continue
		}
		like := w.mark
		if like == unmarked {
			like = now
		}
		add(w.name, w.mark, like)
	}
	for i, row := range over {
		if name := m.rows[row].name; b.fresh && m.counts(over, i) && b.mark(name) == nil {
			add(name, unmarked, row)
		}
	}
}

// followFormats has a step take back too what was made equal to a mark of its own.
func (s *undoStep) followFormats(made map[written][]crdt.Stamp) {
	if len(made) == 0 {
		return
	}
	for i, n := 0, len(s.records); i < n; i++ {
		r := s.records[i]
		if r.kind != recFormat {
			continue
		}
		for _, at := range made[written{at: r.after, item: r.container}] {
			s.records = append(s.records, undoRecord{kind: recFormat, container: r.container, before: r.before, after: at})
			s.dirty = true
		}
	}
}
