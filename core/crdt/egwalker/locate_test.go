package egwalker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// relabel gives every character that the history inserts another.
func (h *history) relabel() {
	next := rune(1)
	for i := range h.rows {
		h.rows[i].content = slices.Clone(h.rows[i].content)
		for k := range h.rows[i].content {
			h.rows[i].content[k] = 0x4e00 + next
			next++
		}
	}
}

// before is the text that the writer of a row saw.
func (h *history) before(n int) []rune {
	place := map[int]int{}
	sub := &history{}
	var visit func(n int)
	visit = func(n int) {
		if _, done := place[n]; done {
			return
		}
		r := h.rows[n]
		r.parents = slices.Clone(r.parents)
		for i, p := range r.parents {
			visit(p)
			r.parents[i] = place[p]
		}
		place[n] = len(sub.rows)
		sub.rows = append(sub.rows, r)
	}
	for _, p := range h.rows[n].parents {
		visit(p)
	}
	return []rune(sub.text())
}

// deleted are the characters that a row takes away, in the order of its ops.
func (h *history) deleted(n int) (gone []rune) {
	text, at := h.before(n), 0
	for _, o := range h.rows[n].ops {
		if !o.Kind.Inserts() {
			gone = append(gone, text[o.Pos:o.Pos+o.Len]...)
			text = slices.Delete(text, int(o.Pos), int(o.Pos+o.Len))
		} else {
			text = slices.Insert(text, int(o.Pos), h.rows[n].content[at:at+int(o.Len)]...)
			at += int(o.Len)
		}
	}
	return gone
}

// TestLocate_O12_twin: what events of random histories inserted is found where it
// is, and what only one took away belongs among the characters that stood beside
// it.
func TestLocate_O12_twin(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			h := random(t, rng, 1+int(seed%3), 60)
			h.relabel()
			x := newSite(h)
			for n := range h.rows {
				if err := x.add(n); err != nil {
					t.Fatal(err)
				}
			}
			times := map[rune]int{}
			for n := range h.rows {
				for _, c := range h.deleted(n) {
					times[c]++
				}
			}
			for n, r := range h.rows {
				locateRow(t, h, x, n, r, times)
			}
		})
	}
}

func locateRow(t *testing.T, h *history, x *site, n int, r row, times map[rune]int) {
	t.Helper()
	e := x.numbers[n]
	gone, before := h.deleted(n), h.before(n)
	var inserted []rune // without boundaries, which are no one's to find
	at := int32(0)
	for _, o := range r.ops {
		if o.Kind == Insert {
			inserted = append(inserted, r.content[at:at+o.Len]...)
		}
		if o.Kind.Inserts() {
			at += o.Len
		}
	}
	pieces := x.s.Locate([]Range{{Event: e, Len: x.s.Elements(e)}}, nil, nil, x)
	found := map[rune]bool{}
	last := int32(0)
	for _, p := range pieces {
		if p.Pos < last {
			t.Fatalf("event %d: the pieces %v do not ascend", n, pieces)
		}
		last = p.Pos
		for k := range p.Len {
			if p.Kind == Insert {
				c := inserted[p.Off+k]
				if x.text[p.Pos+k] != c {
					t.Fatalf("event %d: %c is said to be at %d of %s", n, c, p.Pos+k, string(x.text))
				}
				found[c] = true
				continue
			}
			c := gone[p.Off+k]
			if times[c] != 1 || slices.Contains(r.content, c) {
				t.Fatalf("event %d: %c was taken away %d times, or is its own", n, c, times[c])
			}
			found[c] = true
			stood := slices.Index(before, c)
			for i, other := range x.text {
				if at := slices.Index(before, other); at >= 0 && (at < stood) != (i < int(p.Pos)) {
					t.Fatalf("event %d: %c belongs at %d of %s, which was %s", n, c, p.Pos, string(x.text), string(before))
				}
			}
		}
	}
	for _, c := range inserted {
		if slices.Contains(x.text, c) != found[c] {
			t.Fatalf("event %d: %c found %v", n, c, found[c])
		}
	}
	for _, c := range gone {
		if want := times[c] == 1 && !slices.Contains(r.content, c); found[c] != want {
			t.Fatalf("event %d: what was taken away, %c, found %v, want %v", n, c, found[c], want)
		}
	}
}

// TestLocate_O12_replaced: what was put back stands for what it replaces, in any
// order of putting back.
func TestLocate_O12_replaced(t *testing.T) {
	h := &history{}
	x := newSite(h)
	add := func(content string, ops ...Op) Event {
		r := row{ops: ops, content: []rune(content)}
		if n := len(h.rows); n > 0 {
			r.parents = []int{n - 1}
		}
		r.seq = len(h.rows)
		h.rows = append(h.rows, r)
		if err := x.add(len(h.rows) - 1); err != nil {
			t.Fatal(err)
		}
		return x.numbers[len(h.rows)-1]
	}
	want := func(text string, got, pieces []Piece) {
		t.Helper()
		if string(x.text) != text {
			t.Fatalf("the text is %q, want %q", string(x.text), text)
		}
		for i := range got {
			got[i].id = 0
		}
		if !slices.Equal(got, pieces) {
			t.Fatalf("in %q found %v, want %v", text, got, pieces)
		}
	}
	typed := add("abcd", Op{Insert, 0, 4})
	first := add("", Op{Delete, 1, 1})  // b
	second := add("", Op{Delete, 1, 1}) // c
	whole := func(e Event) []Range { return []Range{{Event: e, Len: x.s.Elements(e)}} }
	want("ad", x.s.Locate(whole(first), nil, nil, x), []Piece{{Kind: Delete, Pos: 1, Len: 1}})
	back := add("c", Op{Insert, 1, 1})
	replaced := []Replacement{{Gone: whole(second)[0], By: whole(back)[0]}}
	want("acd", x.s.Locate(whole(first), replaced, nil, x), []Piece{{Kind: Delete, Pos: 1, Len: 1}})
	want("acd", x.s.Locate(whole(second), replaced, nil, x), nil)
	want("acd", x.s.Locate(whole(typed), replaced, nil, x), []Piece{
		{Kind: Insert, Pos: 0, Len: 1}, {Kind: Insert, Pos: 1, Len: 1, First: 2, Off: 2}, {Kind: Insert, Pos: 2, Len: 1, First: 3, Off: 3},
	})
	if got := x.s.Locate(nil, replaced, nil, x); got != nil {
		t.Errorf("of nothing: %v", got)
	}
	if got := x.s.Locate([]Range{{Event: first, First: 5, Len: 9}}, replaced, nil, x); len(got) != 0 {
		t.Errorf("of elements that are not there: %v", got)
	}
}
