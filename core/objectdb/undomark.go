package objectdb

import (
	"slices"
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
	var back []restored
	x.history.PutBack(all, len(now), x.boundPlaces(), byName{db.graph, x.nodes}, func(i int) bool {
		// What this stack made meanwhile is undone, or was and is done again.
		b := f.m.bounds[i].mark
		return b != noMark && db.graph.FeedID(db.graph.FeedOf(f.m.rows[b/2].at.Node)) == db.writer
	}, func(pos, n int32, fresh bool) bool {
		from, end := x.textPosition(pos), x.textPosition(pos+n)
		return fresh || slices.ContainsFunc(parts, func(p reformat) bool { return p.from < end && p.end > from })
	}, func(pos, n int32, front []int32, fresh bool) {
		back = append(back, f.restored(x.textPosition(pos), n, front, fresh))
	})
	sort.Slice(back, func(i, j int) bool { return back[i].pos < back[j].pos })
	if err := f.apply(parts); err != nil {
		return err
	}
	return f.reformat(back)
}

// before is the mark of a name that counted among some before the step, or keep if
// none of the step's counts of those over now.
func (f *markRun) before(now, some []int32, name int32) int32 {
	db, m := f.db, f.m
	w := db.winner(m, now, name)
	if w == noMark {
		return keep
	}
	at, ok := f.own[written{at: m.rows[w].at, item: none}]
	if !ok {
		return keep
	}
	earlier := slices.Clone(some)
	limit := m.rows[w].at
	for w != noMark && ok {
		if db.graph.Compare(at, limit) < 0 {
			limit = at
		}
		earlier = slices.DeleteFunc(earlier, func(row int32) bool { return db.graph.Compare(m.rows[row].at, limit) >= 0 })
		if w = db.winner(m, earlier, name); w != noMark {
			at, ok = f.own[written{at: m.rows[w].at, item: none}]
			limit = m.rows[w].at
		}
	}
	return w
}

// undone gives the parts of a text that show a mark of the step. Their ends keep to
// what those of the marks keep to.
func (f *markRun) undone() (parts []reformat) {
	if len(f.own) == 0 {
		return nil
	}
	var names []int32
	for i := range f.m.rows {
		r := &f.m.rows[i]
		if _, ok := f.own[written{at: r.at, item: none}]; ok && !slices.Contains(names, r.name) {
			names = append(names, r.name)
			parts = f.undoneOf(r.name, parts)
		}
	}
	return parts
}

func (f *markRun) undoneOf(name int32, to []reformat) []reformat {
	var over []int32
	part := reformat{name: name, mark: keep}
	end := func(at, next int32, side egwalker.Kind) {
		if part.mark != keep && at > part.from {
			if part.end = at; side == egwalker.InsertBefore {
				part.expand |= expandAfter
			}
			to = append(to, part)
		}
		part = reformat{from: at, name: name, mark: next}
		if side == egwalker.InsertAfter {
			part.expand = expandBefore
		}
	}
	for i := range f.m.bounds {
		b := &f.m.bounds[i]
		over = f.m.cover(over, b)
		if b.mark == noMark || f.m.rows[b.mark/2].name != name {
			continue
		}
		if next := f.before(over, over, name); next != part.mark {
			end(b.at, next, b.side)
		}
	}
	end(int32(f.db.ropes.Len(f.db.textOf(f.c).content)), keep, egwalker.InsertAfter)
	return to
}

// apply makes marks.
func (f *markRun) apply(parts []reformat) error {
	for _, p := range parts {
		value := markRemoved
		if p.mark != unmarked {
			value = f.m.value(p.mark)
		}
		if err := f.db.format(f.c, p.name, p.from, p.end, p.expand, value); err != nil {
			return err
		}
		row := int32(len(f.m.rows) - 1)
		f.same[row] = p.mark
		if p.mark != unmarked {
			f.formats = append(f.formats, undoRecord{kind: recFormat, container: f.c, before: f.m.rows[p.mark].at, after: f.m.rows[row].at})
		}
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

// restored says which marks are to be over what stood behind some boundaries, once
// the step is taken back.
func (f *markRun) restored(pos, n int32, front []int32, fresh bool) restored {
	r := restored{pos: pos, n: n, fresh: fresh}
	var over []int32
	for _, i := range front {
		over = f.m.cover(over, &f.m.bounds[i])
	}
	for _, row := range over {
		w := wanted{name: f.m.rows[row].name}
		if r.mark(w.name) != nil {
			continue
		}
		if w.mark = f.before(over, over, w.name); w.mark == keep {
			w.mark = f.db.winner(f.m, over, w.name)
		} else {
			w.undone = true
		}
		r.marks = append(r.marks, w)
	}
	return r
}

// mark is what is to be there of a name, or nil.
func (r *restored) mark(name int32) *wanted {
	if i := slices.IndexFunc(r.marks, func(w wanted) bool { return w.name == name }); i >= 0 {
		return &r.marks[i]
	}
	return nil
}

// reformat gives parts of a text that were put back, ascending, the marks that they
// are to have, where what is around them does not.
func (f *markRun) reformat(back []restored) error {
	m := f.m
	expands := m.expands()
	var parts []reformat
	add := func(p reformat, like int32) { // it grows as that does
		if like != unmarked {
			p.expand = expands[like]
		}
		for i := len(parts) - 1; i >= 0; i-- {
			if q := &parts[i]; q.name == p.name {
				if q.end == p.from && q.mark == p.mark {
					q.end = p.end
					return
				}
				break
			}
		}
		parts = append(parts, p)
	}
	for _, b := range back {
		m.segments(b.pos, b.pos+b.n, func(from, end int32, over []int32) {
			for _, w := range b.marks {
				now := f.db.winner(m, over, w.name)
				same, made := f.same[now]
				if !b.fresh && !w.undone || made && same == w.mark || !made && now == w.mark && !w.undone {
					continue
				}
				like := w.mark
				if like == unmarked {
					like = now
				}
				add(reformat{from: from, end: end, name: w.name, mark: w.mark}, like)
			}
			for _, row := range over {
				if name := m.rows[row].name; b.fresh && b.mark(name) == nil && f.db.winner(m, over, name) == row {
					add(reformat{from: from, end: end, name: name, mark: unmarked}, row)
				}
			}
		})
	}
	return f.apply(parts)
}

// followFormats has a step take back too what was made equal to a mark of its own.
func (run *undoRun) followFormats(s *undoStep) {
	for _, made := range run.formats {
		for _, r := range s.records {
			if r.kind == recFormat && r.container == made.container && r.after == made.before {
				s.records = append(s.records, undoRecord{kind: recFormat, container: r.container, before: r.before, after: made.after})
				s.dirty = true
				break
			}
		}
	}
}
