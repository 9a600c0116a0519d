package id_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/echospace/echospace/core/id"
)

// TestCompare holds the order against that of byte strings.
func TestCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.SliceOfN(rapid.ByteRange(0, 3), 32, 32) // so that many share a beginning
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if rapid.Bool().Draw(t, "the same") {
			b = a
		}
		sign := func(n int) int { return min(1, max(-1, n)) }
		if got := sign(id.Compare(id.FeedID(a), id.FeedID(b))); got != bytes.Compare(a, b) {
			t.Errorf("%x and %x give %d", a, b, got)
		}
		if got := sign(id.Compare(id.ObjectID(a[:16]), id.ObjectID(b[:16]))); got != bytes.Compare(a[:16], b[:16]) {
			t.Errorf("%x and %x give %d", a[:16], b[:16], got)
		}
	})
}
