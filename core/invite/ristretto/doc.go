// Package ristretto is the prime-order group ristretto255 (RFC 9496) on the
// points of filippo.io/edwards25519: Decode, Encode and FromUniform. Scalars and
// the group operations are that package's own. A Point stands for its class of
// four; compare encodings, not Points.
//
// Published implementations for Go link math/big for their constants, 0.05 MB of
// the page's download; a test holds this one to be the same as one of them.
package ristretto
