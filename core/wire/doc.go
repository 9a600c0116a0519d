// Package wire is the encoding of everything that Echospace stores, signs and
// sends: a strict subset of msgpack. One value has exactly one encoding, so
// that a hash or a signature over bytes is one over values, and a decoder can
// be compared byte for byte with its encoder.
//
// The subset: nil, bool, integers in their shortest form (a non-negative
// integer never in a signed form), float64, bin, str (well-formed UTF-8) and
// array. No map, no ext, no float32: a structure is an array whose first
// element is its version or type.
//
// Writing appends to a slice (Append...); reading is a Reader whose first
// error sticks, so that a decoder checks once, at the end:
//
//	r := wire.NewReader(b)
//	r.Array(3)
//	v := r.Uint(1)
//	name := r.String(64)
//	r.Fixed(key[:])
//	if err := r.Done("thing.Decode"); err != nil { ... }
//
// A Reader refuses trailing bytes, lengths over the caller's limit, and longer
// forms than needed. It never allocates more than it was given.
package wire
