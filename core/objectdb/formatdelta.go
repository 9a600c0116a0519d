package objectdb

import (
	"bytes"

	"github.com/echospace/echospace/core/crdt/rope"
)

// formattedDelta gives the steps that make one plain text of another, with what is to
// be formatted in another way.
func formattedDelta(before, after []byte) []TextStep {
	x, y := charsOf(before), charsOf(after)
	steps := TextDelta(x, y)
	marksX, everX := marksOf(before)
	marksY, everY := marksOf(after)
	if !everX && !everY {
		return steps
	}
	length := int32(rope.Units(x))
	w := formatWalk{
		before: runCursor{runs: runsOfMarks(marksX, length)},
		after:  runCursor{runs: runsOfMarks(marksY, int32(rope.Units(y)))},
	}
	var d formattedSteps
	w.walk(steps, length, func(_, n, _ int32, was, is []byte) {
		d.push(TextStep{Retain: int(n), Attributes: attributesChanged(was, is)})
	}, func(_ int32, inserted []byte, is []byte) {
		d.push(TextStep{Insert: string(inserted), Attributes: is})
	}, func(n int32) { d.push(TextStep{Delete: int(n)}) })
	if n := len(d); n > 0 && d[n-1].Retain > 0 && d[n-1].Attributes == nil {
		d = d[:n-1]
	}
	return d
}

// formattedSteps are those of a delta.
type formattedSteps []TextStep

// push adds a step, joined with the last where they are of one kind.
func (d *formattedSteps) push(s TextStep) {
	if n := len(*d); n > 0 {
		last := &(*d)[n-1]
		same := bytes.Equal(last.Attributes, s.Attributes)
		switch {
		case s.Retain > 0 && last.Retain > 0 && same:
			last.Retain += s.Retain
			return
		case s.Delete > 0 && last.Delete > 0:
			last.Delete += s.Delete
			return
		case s.Insert != "" && last.Insert != "" && same:
			last.Insert += s.Insert
			return
		}
	}
	*d = append(*d, s)
}

// formatWalk goes through the steps between two formatted texts.
type formatWalk struct{ before, after runCursor }

// walk tells of parts that stay, which are formatted in one way in each of the texts,
// the first of which has so many units; of parts that are inserted, which are formatted
// in one way; and of what is deleted. from is where they are in the second text, and
// stood in the first.
func (f *formatWalk) walk(steps []TextStep, length int32, stays func(from, n, stood int32, was, is []byte), inserted func(from int32, chars, is []byte), deleted func(n int32)) {
	retain := func(n int32) {
		for n > 0 {
			k, was := f.before.next(n)
			k, is := f.after.next(k)
			stays(f.after.at, k, f.before.at, was, is)
			f.before.at += k
			f.after.at += k
			n -= k
		}
	}
	for _, s := range steps {
		retain(int32(s.Retain))
		if s.Delete > 0 {
			deleted(int32(s.Delete))
			f.before.at += int32(s.Delete)
		}
		rest := []byte(s.Insert)
		for left := int32(rope.Units(rest)); left > 0; {
			k, is := f.after.next(left)
			end := rope.Offset(rest, int(k))
			inserted(f.after.at, rest[:end], is)
			rest, left = rest[end:], left-k
			f.after.at += k
		}
	}
	retain(length - f.before.at)
}
