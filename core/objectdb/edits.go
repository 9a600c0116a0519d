package objectdb

import (
	"bytes"
	"unicode/utf8"

	"github.com/echospace/echospace/core/crdt/rope"
)

// TextStep is a step through a text from its beginning: it passes over Retain
// UTF-16 code units, or takes Delete away, or puts Insert in.
type TextStep struct {
	Retain, Delete int
	Insert         string
	// Attributes are the marks [name, value, ...] of what is inserted, or that what is
	// passed over gets, the names ascending; nil as a value takes a mark away. Without
	// any they are nil.
	Attributes []byte
}

const (
	// maxEdits bounds the elements that a search for the least edits may find to
	// differ; its time is that number times the length, its memory its square.
	maxEdits = 1 << 10
	// manyChars is from when on texts are compared line by line first.
	manyChars = 1 << 12
)

// TextDelta gives the steps that make after of before: few, though where the texts
// have little in common not the least possible.
func TextDelta(before, after []byte) []TextStep {
	head, tail := commonEnds(before, after)
	d := delta{}
	d.retain(before[:head])
	d.compare(before[head:len(before)-tail], after[head:len(after)-tail])
	if n := len(d.steps); n > 0 && d.steps[n-1].Retain > 0 {
		return d.steps[:n-1]
	}
	return d.steps
}

// commonEnds gives how many bytes, of whole characters, two texts have in common
// at their beginnings and, behind that, at their ends.
func commonEnds(a, b []byte) (head, tail int) {
	least := min(len(a), len(b))
	for head < least && a[head] == b[head] {
		head++
	}
	for head > 0 && (head < len(a) && !utf8.RuneStart(a[head]) || head < len(b) && !utf8.RuneStart(b[head])) {
		head--
	}
	for tail < least-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	for tail > 0 && !utf8.RuneStart(a[len(a)-tail]) {
		tail--
	}
	return head, tail
}

// delta gathers steps.
type delta struct{ steps []TextStep }

func (d *delta) last() *TextStep {
	if len(d.steps) == 0 {
		d.steps = append(d.steps, TextStep{})
	}
	return &d.steps[len(d.steps)-1]
}

func (d *delta) retain(chars []byte) {
	if len(chars) == 0 {
		return
	}
	if s := d.last(); s.Delete > 0 || s.Insert != "" {
		d.steps = append(d.steps, TextStep{})
	}
	d.last().Retain += rope.Units(chars)
}

func (d *delta) replace(gone, come []byte) {
	if len(gone) > 0 {
		if s := d.last(); s.Retain > 0 || s.Insert != "" {
			d.steps = append(d.steps, TextStep{})
		}
		d.last().Delete += rope.Units(gone)
	}
	if len(come) > 0 {
		if s := d.last(); s.Retain > 0 || s.Delete > 0 {
			d.steps = append(d.steps, TextStep{})
		}
		d.last().Insert += string(come)
	}
}

// compare adds the steps for a part of the texts.
func (d *delta) compare(before, after []byte) {
	if len(before) == 0 || len(after) == 0 {
		d.replace(before, after)
		return
	}
	if len(before) > manyChars || len(after) > manyChars {
		d.align(pieces(before, true), pieces(after, true), true)
		return
	}
	d.align(pieces(before, false), pieces(after, false), false)
}

// align adds the steps between texts in pieces. What differs between lines is
// compared by characters.
func (d *delta) align(before, after [][]byte, lines bool) {
	same, ok := leastEdits(len(before), len(after), func(i, j int) bool { return bytes.Equal(before[i], after[j]) })
	if !ok {
		same = nil
	}
	i, j := 0, 0
	for _, m := range append(same, match{len(before), len(after), 0}) {
		gone, come := bytes.Join(before[i:m.a], nil), bytes.Join(after[j:m.b], nil)
		if lines && len(gone) <= manyChars && len(come) <= manyChars {
			head, tail := commonEnds(gone, come)
			d.retain(gone[:head])
			d.compare(gone[head:len(gone)-tail], come[head:len(come)-tail])
			d.retain(gone[len(gone)-tail:])
		} else {
			d.replace(gone, come)
		}
		d.retain(bytes.Join(before[m.a:m.a+m.n], nil))
		i, j = m.a+m.n, m.b+m.n
	}
}

// pieces parts a text into its lines or its characters.
func pieces(chars []byte, lines bool) (out [][]byte) {
	for len(chars) > 0 {
		_, n := utf8.DecodeRune(chars)
		if lines {
			if n = bytes.IndexByte(chars, '\n') + 1; n == 0 {
				n = len(chars)
			}
		}
		out = append(out, chars[:n])
		chars = chars[n:]
	}
	return out
}

// match says that n elements from a on of one sequence are those from b on of
// another.
type match struct{ a, b, n int }

// leastEdits gives what two sequences have in common if the fewest elements are
// taken out of the one and put into the other, in order; false if that are more
// than maxEdits. The algorithm is Myers's greedy one (E. Myers, "An O(ND)
// Difference Algorithm and Its Variations", Algorithmica 1, 1986).
func leastEdits(n, m int, equal func(i, j int) bool) ([]match, bool) {
	limit := min(n+m, maxEdits)
	reach := make([]int32, 2*limit+3) // by diagonal i-j, moved by limit+1: the furthest i
	var trace [][]int32               // of each number of edits, diagonals -d to d
	for d := 0; d <= limit; d++ {
		for k := -d; k <= d; k += 2 {
			at := limit + 1 + k
			var i int32
			if k == -d || k != d && reach[at-1] < reach[at+1] {
				i = reach[at+1]
			} else {
				i = reach[at-1] + 1
			}
			for int(i) < n && int(i)-k < m && equal(int(i), int(i)-k) {
				i++
			}
			reach[at] = i
			if int(i) >= n && int(i)-k >= m {
				return backtrack(n, m, d, trace), true
			}
		}
		trace = append(trace, append([]int32(nil), reach[limit+1-d:limit+2+d]...))
	}
	return nil, false
}

// backtrack follows the way that d edits took back from its end.
func backtrack(n, m, d int, trace [][]int32) (out []match) {
	i, j := n, m
	for ; d > 0; d-- {
		before := func(k int) int { // the furthest i with d-1 edits
			if k < -(d-1) || k > d-1 {
				return -1
			}
			return int(trace[d-1][k+d-1])
		}
		k := i - j
		from := k - 1
		if k == -d || k != d && before(k-1) < before(k+1) {
			from = k + 1
		}
		i0 := before(from)
		start := i0 // where the diagonal begins, behind the edit
		if from == k-1 {
			start++
		}
		if i > start {
			out = append(out, match{start, start - k, i - start})
		}
		i, j = i0, i0-from
	}
	if i > 0 {
		out = append(out, match{0, 0, i})
	}
	for a, b := 0, len(out)-1; a < b; a, b = a+1, b-1 {
		out[a], out[b] = out[b], out[a]
	}
	return out
}
