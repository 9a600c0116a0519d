package sim_test

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

// appendPlain appends what an object holds without the numbers that a database
// gives to its texts and items.
func appendPlain(to []byte, db *objectdb.DB, v id.ObjectID) []byte {
	rec, ok := db.Read(v)
	if !ok {
		return append(to, "none"...)
	}
	r := wire.NewReader(rec)
	r.Array(5)
	to = append(append(to, r.Skip()...), r.Skip()...)
	to = appendValue(to, db, r)
	return append(to, r.Rest()...)
}

func appendValue(to []byte, db *objectdb.DB, r *wire.Reader) []byte {
	if r.Peek() != wire.Array {
		return append(to, r.Skip()...)
	}
	whole := wire.NewReader(r.Rest())
	n := r.ArrayLen(math.MaxInt32)
	t := r.Uint(math.MaxUint8)
	to = append(to, byte(t))
	switch t {
	case 4:
		for range n / 2 {
			to = append(to, r.Skip()...)
			to = appendValue(to, db, r)
		}
	case 6:
		for range n / 2 {
			r.Skip()
			to = appendValue(to, db, r)
		}
	case 7:
		to, _ = db.AppendText(to, objectdb.Text(r.Uint(math.MaxInt32)), 0, math.MaxInt32)
	default:
		to = append(to, whole.Skip()...)
		r.Skip()
	}
	return append(to, 0xc1)
}

// typeIn edits the text of an object somewhere.
func (p *peer) typeIn(v id.ObjectID, rng *rand.Rand, word string) {
	var x objectdb.Text
	var length int
	p.f.ok(p.sp.Objects("sim", func(db *objectdb.DB) (err error) {
		if x, err = db.FindText(v, objectdb.Key("t")); err == nil {
			length, err = db.TextLength(x)
		}
		return err
	}))
	pos := rng.IntN(length + 1)
	deleted := rng.IntN(min(4, length-pos) + 1)
	_, err := p.sp.EditText(x, pos, deleted, []byte(word), 1)
	p.f.ok(err)
}

// arrange splices the list of an object, or moves an item of it.
func (p *peer) arrange(v id.ObjectID, rng *rand.Rand, item string) {
	path := wire.AppendString(wire.AppendArray(nil, 1), "l")
	op := func(code uint64, size int, a, b int) []byte {
		out := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, size), code), v[:])
		return wire.AppendUint(wire.AppendUint(append(out, path...), uint64(a)), uint64(b))
	}
	n := p.listLength(v)
	if n > 1 && rng.IntN(2) == 0 {
		p.f.ok(p.sp.Edit(op(9, 5, rng.IntN(n), rng.IntN(n))))
		return
	}
	at := rng.IntN(n + 1)
	removed := max(0, rng.IntN(min(4, n-at)+1)-1)
	b := op(8, 6, at, removed)
	b = wire.AppendString(wire.AppendString(wire.AppendArray(b, 2), item), item+"'")
	p.f.ok(p.sp.Edit(b))
}

func (p *peer) listLength(v id.ObjectID) (n int) {
	p.f.ok(p.sp.Objects("sim", func(db *objectdb.DB) error {
		rec, _ := db.Read(v)
		r := wire.NewReader(rec)
		r.Array(5)
		r.Skip()
		r.Skip()
		pairs := r.ArrayLen(math.MaxInt32) / 2
		r.Skip()
		for range pairs {
			if r.String(math.MaxInt32) == "l" {
				n = r.ArrayLen(math.MaxInt32) / 2
				return nil
			}
			r.Skip()
		}
		return nil
	}))
	return n
}

// plainState gives every object in an order, and the properties.
func plainState(db *objectdb.DB, ids []byte) (state []byte) {
	for part := range slices.Chunk(ids, id.ShortSize) {
		state = appendPlain(state, db, id.ObjectID(part))
	}
	return appendPlain(state, db, objectdb.PropertiesID)
}
