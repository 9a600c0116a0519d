package objectdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/wire"
)

// What a payload does to texts and lists stands in columns, for all its edits
// together, and before them the names of the items of lists that it is about:
//
//	sources bin  8-byte numbers
//	items bin    per item its source's place in sources, and the difference of
//	             its index to that behind the item before
//	counts bin   per edit, in the order of the elements, the number of its runs
//	runs bin     per run 2*length, plus 1 for a delete; lengths are at least 1. In a
//	             payload of version 3 it is 4*length, plus 1 for a delete, 2 and 3
//	             for a boundary (egwalker.InsertAfter, InsertBefore), whose length is 1
//	places bin   per run the difference of its position to the end of the run
//	             before
//	chars str    what the inserts into texts insert, one behind the other
//
// Sources and items stand in the order of their first use. The numbers are varints
// of no more bytes than needed (encoding/binary), with 2*d for a difference d, or
// -2*d-1 if it is negative. Lengths and positions are in UTF-16 code units of a
// text, of which each boundary is one, or slots of a list; a run ends where its
// insert ends, or where its delete began. Writers join a run to the one before it
// as egwalker.Op.Join does, while they grow: what is whole may still go on where
// the one before ended.

// columns are the edits of texts and lists of one payload.
type columns struct {
	counts []uint32
	runs   []egwalker.Op
	chars  []byte
}

// span is the part of the columns that one edit is.
type span struct{ runs, runsEnd, chars, charsEnd int32 }

func (c *columns) empty() bool { return len(c.counts) == 0 }

// size is about what the columns take in a payload.
func (c *columns) size() int { return len(c.counts) + 3*len(c.runs) + len(c.chars) }

// bound is what append appends at most.
func (c *columns) bound() int {
	return 32 + binary.MaxVarintLen32*len(c.counts) + 2*binary.MaxVarintLen64*len(c.runs) + len(c.chars)
}

// begin adds an edit without runs.
func (c *columns) begin() { c.counts = append(c.counts, 0) }

// add adds a run to the last edit.
func (c *columns) add(o egwalker.Op, chars []byte) {
	c.chars = append(c.chars, chars...)
	last := &c.counts[len(c.counts)-1]
	if *last > 0 && c.runs[len(c.runs)-1].Join(o) {
		return
	}
	c.runs = append(c.runs, o)
	*last++
}

// version is that of a payload with such columns.
func (c *columns) version() uint64 {
	if hasBoundary(c.runs) {
		return marksVersion
	}
	return columnsVersion
}

// kindBits is how many bits of a run tell its kind.
func kindBits(version uint64) int { return int(version) - 1 }

func (c *columns) append(b []byte) []byte {
	bits := kindBits(c.version())
	var col []byte
	for _, n := range c.counts {
		col = binary.AppendUvarint(col, uint64(n))
	}
	b = wire.AppendBytes(b, col)
	col = col[:0]
	for _, o := range c.runs {
		col = binary.AppendUvarint(col, uint64(o.Len)<<bits|uint64(o.Kind))
	}
	b = wire.AppendBytes(b, col)
	col = col[:0]
	at := int32(0)
	for _, o := range c.runs {
		col = binary.AppendVarint(col, int64(o.Pos-at))
		at = runEnd(o)
	}
	b = wire.AppendBytes(b, col)
	return wire.AppendString(b, string(c.chars))
}

func runEnd(o egwalker.Op) int32 {
	if o.Kind.Inserts() {
		return o.Pos + o.Len
	}
	return o.Pos
}

// readColumns reads the columns of a payload, and what each edit has of them.
func readColumns(r *wire.Reader, version uint64, runs []egwalker.Op, edits []span) ([]egwalker.Op, []span, []byte) {
	counts, lengths, places := varints{b: r.Bytes(maxTable)}, varints{b: r.Bytes(maxTable)}, varints{b: r.Bytes(maxTable)}
	chars := r.StringBytes(maxTable)
	if r.Err() != nil {
		return runs, edits, nil
	}
	at := int32(0)
	for len(counts.b) > 0 && r.Err() == nil {
		e := span{runs: int32(len(runs))}
		n := counts.next()
		for i := uint64(0); i < n && r.Err() == nil; i++ {
			o, err := readRun(&lengths, &places, at, kindBits(version))
			if err != nil {
				r.Fail(err)
				break
			}
			runs = append(runs, o)
			at = runEnd(o)
		}
		e.runsEnd = int32(len(runs))
		edits = append(edits, e)
	}
	switch {
	case counts.bad || lengths.bad || places.bad:
		r.Fail(errors.New("a column holds what is no number in its least form"))
	case len(lengths.b)+len(places.b) > 0:
		r.Fail(errors.New("columns hold more than the edits use"))
	}
	return runs, edits, chars
}

func readRun(lengths, places *varints, at int32, bits int) (o egwalker.Op, err error) {
	n, d := lengths.next(), places.next()
	o.Kind = egwalker.Kind(n & (1<<bits - 1))
	length, pos := n>>bits, int64(at)+signed(d)
	if lengths.bad || places.bad {
		return o, errors.New("a column is too short or holds what is no number in its least form")
	}
	if length == 0 || length > egwalker.MaxLength || d>>1 > egwalker.MaxLength || pos < 0 || pos > egwalker.MaxLength {
		return o, fmt.Errorf("a run of %d at %d", length, pos)
	}
	if o.Kind > egwalker.Delete && length != 1 {
		return o, fmt.Errorf("a boundary of length %d", length)
	}
	o.Len, o.Pos = int32(length), int32(pos)
	return o, nil
}

// useChars gives the place behind so many units of chars, from a place on.
func useChars(chars []byte, from, units int) (int, error) {
	if units > len(chars)-from {
		return 0, errors.New("more is inserted than there is")
	}
	n := rope.Offset(chars[from:], units)
	if n < 0 {
		return 0, errors.New("more is inserted than there is, or a character is cut")
	}
	return from + n, nil
}

// appendItems appends the names of items.
func (db *DB) appendItems(b []byte, items []int32) []byte {
	var sources []uint64
	var ids, col []byte
	next := uint64(0)
	for _, i := range items {
		n := db.items.At(i).name
		at := slices.Index(sources, n.source)
		if at < 0 {
			at = len(sources)
			sources = append(sources, n.source)
			ids = binary.BigEndian.AppendUint64(ids, n.source)
		}
		col = binary.AppendUvarint(col, uint64(at))
		col = binary.AppendVarint(col, int64(n.index-next))
		next = n.index + 1
	}
	return wire.AppendBytes(wire.AppendBytes(b, ids), col)
}

// readItems reads the names of items.
func readItems(r *wire.Reader, items []itemName) []itemName {
	sources, col := r.Bytes(maxTable), varints{b: r.Bytes(maxTable)}
	used, next := uint64(0), uint64(0)
	for len(col.b) > 0 && r.Err() == nil {
		at, index := col.next(), next+uint64(signed(col.next()))
		if col.bad {
			break
		}
		if at > used || at >= uint64(len(sources)/8) {
			r.Fail(errors.New("source of an item is out of turn"))
			break
		}
		used = max(used, at+1)
		items = append(items, itemName{binary.BigEndian.Uint64(sources[8*at:]), index})
		next = index + 1
	}
	if col.bad || uint64(len(sources)) != 8*used {
		r.Fail(errors.New("names of items are no numbers in their least form, or there are more sources than they use"))
	}
	return items
}

// signed is the difference that an unsigned varint stands for.
func signed(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// varints reads a column of varints, each in its least form.
type varints struct {
	b   []byte
	bad bool
}

func (v *varints) next() uint64 {
	x, n := binary.Uvarint(v.b)
	if n <= 0 || n > 1 && v.b[n-1] == 0 {
		v.b, v.bad = nil, true
		return 0
	}
	v.b = v.b[n:]
	return x
}
