package objectdb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// pairedDBs are two databases that differ in how they read new objects: one looks
// every key up.
func pairedDBs() (quick, plain *DB) {
	quick = New(Options{Source: 1})
	plain = New(Options{Source: 1, Limits: Limits{Value: wire.MaxScalar - 1}})
	for _, db := range []*DB{quick, plain} {
		db.SetWriter(feedID(1), feed.Ref{})
	}
	return quick, plain
}

// sameOutcome runs the same transaction in both and compares what came of it.
func sameOutcome(t testing.TB, quick, plain *DB, ops []byte) {
	t.Helper()
	got, want := quick.Local(ops, 7), plain.Local(ops, 7)
	if fmt.Sprint(got) != fmt.Sprint(want) || errs.KindOf(got) != errs.KindOf(want) {
		t.Fatalf("ops %x give %v, looked up %v", ops, got, want)
	}
	if got, want := showAll(quick), showAll(plain); got != want {
		t.Fatalf("ops %x make %s, looked up %s", ops, got, want)
	}
}

func samePayloads(t testing.TB, quick, plain *DB) {
	t.Helper()
	for {
		got, more := quick.Cut()
		want, ok := plain.Cut()
		if more != ok {
			t.Fatalf("a burst more: %v, looked up %v", more, ok)
		}
		if !more {
			return
		}
		if got.Ops != want.Ops || !bytes.Equal(got.Payload, want.Payload) {
			t.Fatalf("payload %x, looked up %x", got.Payload, want.Payload)
		}
	}
}

func TestLocal_O01_objectsAlike(t *testing.T) {
	pairs := func(encoded ...[]byte) []byte {
		b := wire.AppendUint(wire.AppendArray(nil, 1+len(encoded)), valueMap)
		return append(b, bytes.Join(encoded, nil)...)
	}
	create := func(n int, content []byte) []byte { return append(opHead(localCreate, objID(n)), content...) }
	task := func(n int) []byte {
		return create(n, vMap(map[string][]byte{"done": wire.AppendBool(nil, n%2 == 0), "rank": vInt(int64(n)), "title": vStr("a title of some length")}))
	}
	many := map[string][]byte{}
	for i := range manyFields + 1 {
		many[fmt.Sprint("key ", i)] = vInt(int64(i))
	}
	for name, ops := range map[string][][]byte{
		"alike":                     {task(1), task(2), task(3)},
		"one more key":              {task(1), create(2, vMap(map[string][]byte{"done": vNil(), "rank": vInt(1), "title": vInt(2), "zone": vInt(3)})), task(3)},
		"one key less":              {task(1), create(2, vMap(map[string][]byte{"done": vNil(), "rank": vInt(1)})), task(3)},
		"another key in the middle": {task(1), create(2, vMap(map[string][]byte{"done": vNil(), "range": vInt(1), "title": vNil()})), task(3)},
		"a key of which one begins": {create(1, pairs(vStr("a"), vNil(), vStr("b"), vNil())), create(2, pairs(vStr("ab"), vNil(), vStr("b"), vNil()))},
		"nothing in it":             {create(1, vMap(nil)), task(2), create(3, vMap(nil))},
		"containers among scalars": {
			create(1, vMap(map[string][]byte{"a": vInt(1), "b": vMap(map[string][]byte{"a": vInt(2), "c": vStr("far away from inline")}), "c": vList(vInt(1), vMap(map[string][]byte{"a": vInt(4)})), "d": vInt(3), "e": vText("text"), "f": vInt(4)})),
			create(2, vMap(map[string][]byte{"a": vInt(1), "b": vInt(2), "c": vInt(3), "d": vMap(nil), "e": vNil(), "f": vText("more")})),
		},
		"bytes, a date, a reference":   {create(1, vMap(map[string][]byte{"a": vTyped(valueBytes, wire.AppendBytes(nil, []byte("bytes"))), "b": vTyped(valueDate, vInt(1)), "c": vTyped(valueReference, wire.AppendBytes(nil, make([]byte, id.ShortSize)))}))},
		"many keys":                    {task(1), create(2, vMap(many)), task(3)},
		"set afterwards":               {task(1), opSet(objID(1), vStr("another title of some length"), "title"), opSet(objID(1), vInt(1), "zone"), opDelKey(objID(1), "done"), task(2)},
		"the same object twice":        {task(1), task(2), task(1)},
		"keys out of order":            {task(1), create(2, pairs(vStr("b"), vNil(), vStr("a"), vNil()))},
		"a key twice":                  {task(1), create(2, pairs(vStr("done"), vNil(), vStr("done"), vNil()))},
		"a key that is no string":      {task(1), create(2, pairs(vInt(1), vNil()))},
		"a key without value":          {task(1), create(2, append(wire.AppendUint(wire.AppendArray(nil, 3), valueMap), vStr("done")...))},
		"a number in no shortest form": {task(1), create(2, pairs(vStr("done"), []byte{0xcc, 1}))},
		"text that is not UTF-8":       {task(1), create(2, pairs(vStr("done"), []byte{0xa1, 0xff}))},
	} {
		t.Run(name, func(t *testing.T) {
			quick, plain := pairedDBs()
			sameOutcome(t, quick, plain, bytes.Join(ops, nil))
			sameOutcome(t, quick, plain, bytes.Join([][]byte{task(8), task(9)}, nil))
			samePayloads(t, quick, plain)
			for _, db := range []*DB{quick, plain} {
				if done, err := db.Undo(8); !done || err != nil {
					t.Fatalf("undo gives %v, %v", done, err)
				}
			}
			if got, want := showAll(quick), showAll(plain); got != want {
				t.Fatalf("undo leaves %s, looked up %s", got, want)
			}
		})
	}
}

func TestLocal_O01_randomObjectsAlike(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var content func(depth int) map[string][]byte
	value := func(depth int) []byte {
		switch r.IntN(9) {
		case 0:
			return vStr(string(bytes.Repeat([]byte("é"), r.IntN(40))))
		case 1:
			return vFloat(r.Float64())
		case 2:
			return vNil()
		case 3:
			if depth > 0 {
				return vMap(content(depth - 1))
			}
			return vText("text")
		case 4:
			return vList(vInt(r.Int64()), vStr("item"))
		default:
			return vInt(r.Int64N(1<<r.IntN(62)+1) - 99)
		}
	}
	content = func(depth int) map[string][]byte {
		m := map[string][]byte{}
		for k := range r.IntN(6) {
			if r.IntN(4) > 0 {
				m[fmt.Sprint("key", k)] = value(depth)
			}
		}
		return m
	}
	quick, plain := pairedDBs()
	made := 0
	for range 200 {
		var ops []byte
		for range 1 + r.IntN(5) {
			n := made
			if r.IntN(20) > 0 {
				made++
			} else {
				n = r.IntN(made + 1) // there already, most likely: all of it is refused
			}
			ops = append(ops, opCreate(objID(n+1), content(2))...)
		}
		if r.IntN(10) == 0 {
			ops = ops[:r.IntN(len(ops))]
		}
		sameOutcome(t, quick, plain, ops)
		if r.IntN(10) == 0 {
			samePayloads(t, quick, plain)
		}
	}
	samePayloads(t, quick, plain)
}
