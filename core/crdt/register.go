package crdt

import (
	"sort"

	"github.com/echospace/echospace/core/crdt/flat"
)

// Entry is one value of a register. A register is a chain of entries: its head,
// whose row names the register and never changes, holds the winner; Other leads
// to the concurrent values in descending order.
type Entry struct {
	Value uint64 // the owner's
	At    Stamp  // the op that wrote it
	Other int32  // the next concurrent value, or None
	// Owner, Tag and Link of the head are for the owner of the register: what
	// it belongs to, under which name, and a link to the next.
	Owner, Tag, Link int32
}

// Version is a value of a register and the op that wrote it.
type Version struct {
	Value uint64
	At    Stamp
}

// Registers are last-writer-wins registers that keep concurrent values until a
// write follows them (a multi-value register with a winner). The zero value is
// empty.
type Registers struct {
	rows    flat.Column[Entry]
	vacant  int32 // chain through Other of rows to use again, +1; 0 is none
	scratch []Version
	dropped []uint64
}

// Len is the number of rows, used and vacant.
func (r *Registers) Len() int { return r.rows.Len() }

// At is row i, in place.
func (r *Registers) At(i int32) *Entry { return r.rows.At(i) }

// New makes a register with one value.
func (r *Registers) New(e Entry) int32 {
	e.Other = None
	if r.vacant == 0 {
		return r.rows.Append(e)
	}
	i := r.vacant - 1
	r.vacant = r.rows.At(i).Other + 1
	*r.rows.At(i) = e
	return i
}

// Delete gives up a register. Its values are the caller's to free.
func (r *Registers) Delete(head int32) {
	for i := head; i != None; {
		e := r.rows.At(i)
		next := e.Other
		*e = Entry{Owner: None, Tag: None, Link: None, Other: r.vacant - 1, At: Stamp{Node: None}}
		r.vacant = i + 1
		i = next
	}
}

// Write sets a register by an op that is newer than all that were applied and
// whose causal past is given: values in that past give way, concurrent ones
// stay. It returns the values that gave way; the slice is valid until the next
// call.
func (r *Registers) Write(g *Graph, head int32, at Stamp, value uint64, past Past) []uint64 {
	r.dropped = r.dropped[:0]
	if e := r.rows.At(head); e.Other == None && past.Has(e.At.Node) {
		r.dropped = append(r.dropped, e.Value)
		e.Value, e.At = value, at
		return r.dropped
	}
	kept := append(r.scratch[:0], Version{value, at})
	for i := head; i != None; i = r.rows.At(i).Other {
		if e := r.rows.At(i); past.Has(e.At.Node) {
			r.dropped = append(r.dropped, e.Value)
		} else {
			kept = append(kept, Version{e.Value, e.At})
		}
	}
	r.scratch = kept
	r.Restore(g, head, kept)
	return r.dropped
}

// Versions appends the values of a register, the winner first.
func (r *Registers) Versions(to []Version, head int32) []Version {
	for i := head; i != None; i = r.rows.At(i).Other {
		e := r.rows.At(i)
		to = append(to, Version{e.Value, e.At})
	}
	return to
}

// Restore makes a register hold exactly these values, of which there is at
// least one, in their order. It sorts the slice.
func (r *Registers) Restore(g *Graph, head int32, values []Version) {
	sort.Slice(values, func(i, j int) bool { return g.Compare(values[i].At, values[j].At) > 0 })
	i := head
	for n, v := range values {
		e := r.rows.At(i)
		e.Value, e.At = v.Value, v.At
		if n == len(values)-1 {
			if e.Other != None {
				r.Delete(e.Other)
				e.Other = None
			}
			return
		}
		if e.Other == None {
			other := r.New(Entry{Owner: None, Tag: None, Link: None})
			r.rows.At(i).Other = other
		}
		i = r.rows.At(i).Other
	}
}
