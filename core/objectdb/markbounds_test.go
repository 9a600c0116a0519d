package objectdb

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
)

// TestMarks_boundEditor: many changes by a boundEditor come to what each does alone.
func TestMarks_boundEditor(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 11))
			one, all := &marks{}, &marks{}
			e := all.editor()
			length := int32(rng.IntN(20))
			for range 60 {
				place, n := int32(rng.IntN(int(length)+1)), int32(1+rng.IntN(4))
				side := egwalker.InsertBefore - egwalker.Kind(rng.IntN(2))
				switch rng.IntN(5) {
				case 0:
					if x, y := one.put(place, n), e.put(place, n); x != y {
						t.Fatalf("put at %d, not %d", y, x)
					}
					length += n
				case 1:
					if n = min(n, length-place); n > 0 {
						x, k := one.take(place, n)
						if y, l := e.take(place, n); x != y || k != l {
							t.Fatalf("took %d from %d, not %d from %d", l, y, k, x)
						}
						length -= n
					}
				case 2:
					pos := int32(rng.IntN(int(length) - len(one.bounds) + 1))
					if x, y := one.placeFor(pos, side), e.placeFor(pos, side); x != y {
						t.Fatalf("a boundary goes to %d, not %d", y, x)
					}
				case 3:
					mark := int32(noMark)
					if rng.IntN(4) > 0 {
						one.addRow(1, crdt.Stamp{}, nil)
						mark = 2*all.addRow(1, crdt.Stamp{}, nil) + int32(rng.IntN(2))
					}
					one.bind(place, mark, side)
					e.bind(place, mark, side)
					length++
				default:
					e.settle()
					if len(one.bounds)+len(all.bounds) > 0 && !reflect.DeepEqual(one, all) {
						t.Fatalf("the marks are\n%v\nnot\n%v", all, one)
					}
				}
			}
		})
	}
}
