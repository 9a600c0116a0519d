package feed

import "slices"

// Code lengths of deflate (RFC 1951): at most 15 bits; 256 byte values and the end
// of the block.
const (
	maxCode   = 15
	literals  = 257
	endSymbol = 256
)

// appendHuffman appends b as one last block of deflate that codes each byte by its
// frequency and looks for no repetitions: what compress/flate does at HuffmanOnly, at
// half its cost. It gives nil if the result is not shorter than limit.
func appendHuffman(out, b []byte, limit int) []byte {
	var counts [literals]uint32
	for _, c := range b {
		counts[c]++
	}
	counts[endSymbol] = 1
	lengths := codeLengths(&counts)
	bits := uint64(headerBits)
	for s, n := range counts {
		bits += uint64(n) * uint64(lengths[s])
	}
	start := len(out)
	size := int((bits + 7) / 8)
	if start+size >= limit {
		return nil
	}
	w := bitWriter{out: slices.Grow(out, size+8)[:start+size+8], at: start}
	w.header(&lengths)
	codes := canonicalCodes(&lengths)
	w.bytes(&codes, b)
	w.put(uint64(codes[endSymbol]>>4), uint(codes[endSymbol]&15))
	return w.out[:w.end()]
}

// headerBits is what stands in front of the codes: 3 bits of the block, 14 of how many
// code lengths there are, 3 for each of 19 that code lengths are coded with, and 4 for
// each of them: one more than literals, of the one distance that no byte uses.
const headerBits = 3 + 14 + 19*3 + 4*(literals+1)

// header writes that. Every length from 0 to 15 is coded by its own 4 bits.
func (w *bitWriter) header(lengths *[literals]uint8) {
	w.put(1|2<<1, 3) // the last block, with codes of its own
	w.put(0, 5)      // 257 literals
	w.put(0, 5)      // one distance
	w.put(15, 4)     // all 19
	for i := range 19 {
		if i < 3 { // 16, 17 and 18 repeat, and are not used
			w.put(0, 3)
		} else {
			w.put(4, 3)
		}
	}
	for _, n := range lengths {
		w.put(uint64(reversed(uint32(n), 4)), 4)
	}
	w.put(uint64(reversed(1, 4)), 4)
}

// bitWriter writes bits, the lowest first, into room that is there.
type bitWriter struct {
	out  []byte
	at   int
	bits uint64 // fewer than 8 between calls
	n    uint
}

func (w *bitWriter) put(v uint64, n uint) {
	w.bits |= v << w.n
	w.n += n
	for w.n >= 8 {
		w.out[w.at] = byte(w.bits)
		w.at++
		w.bits >>= 8
		w.n -= 8
	}
}

// end writes the last bits and gives where they end.
func (w *bitWriter) end() int {
	if w.n > 0 {
		w.out[w.at] = byte(w.bits)
		w.at++
	}
	return w.at
}

// bytes writes the codes of bytes, three at a time: with what is left of before they
// fit 64 bits, and 6 bytes hold all that is whole.
func (w *bitWriter) bytes(codes *[literals]uint32, b []byte) {
	bits, n, out, at := w.bits, w.n, w.out, w.at
	for ; len(b) >= 3; b = b[3:] {
		x, y, z := codes[b[0]], codes[b[1]], codes[b[2]]
		bits |= uint64(x>>4) << n
		n += uint(x & 15)
		bits |= uint64(y>>4) << n
		n += uint(y & 15)
		bits |= uint64(z>>4) << n
		n += uint(z & 15)
		p := out[at : at+8 : at+8]
		p[0], p[1], p[2], p[3] = byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24)
		p[4], p[5], p[6] = byte(bits>>32), byte(bits>>40), byte(bits>>48)
		at += int(n >> 3)
		bits >>= n &^ 7
		n &= 7
	}
	w.bits, w.n, w.at = bits, n, at
	for _, c := range b {
		w.put(uint64(codes[c]>>4), uint(codes[c]&15))
	}
}

// canonicalCodes gives the code of each symbol, its bits reversed as deflate has them,
// above its length in the lower 4 bits.
func canonicalCodes(lengths *[literals]uint8) (codes [literals]uint32) {
	var next [maxCode + 2]uint32
	for _, n := range lengths {
		if n > 0 {
			next[n+1]++
		}
	}
	for n := 2; n <= maxCode; n++ {
		next[n] = (next[n-1] + next[n]) << 1
	}
	for s, n := range lengths {
		if n > 0 {
			codes[s] = reversed(next[n], uint(n))<<4 | uint32(n)
			next[n]++
		}
	}
	return codes
}

func reversed(v uint32, n uint) (r uint32) {
	for range n {
		r = r<<1 | v&1
		v >>= 1
	}
	return r
}

// codeLengths gives how many bits each symbol that occurs takes in a Huffman code of
// at most maxCode bits (D. A. Huffman, "A Method for the Construction of
// Minimum-Redundancy Codes", 1952). Where the code would be longer, all counts are
// drawn together, which costs a little of its best.
func codeLengths(counts *[literals]uint32) (lengths [literals]uint8) {
	weights := *counts
	for {
		if depth := huffmanDepths(&weights, &lengths); depth <= maxCode {
			return lengths
		}
		for s, n := range weights {
			if n > 0 {
				weights[s] = n/4 + 1
			}
		}
	}
}

// huffmanDepths builds the tree from two queues: of symbols by weight, and of the
// nodes made of them, whose weights only grow. It gives the greatest depth.
func huffmanDepths(weights *[literals]uint32, depths *[literals]uint8) int {
	var leaves []uint64 // weight<<16 | symbol
	for s, n := range weights {
		if n > 0 {
			leaves = append(leaves, uint64(n)<<16|uint64(s))
		}
	}
	if len(leaves) == 1 { // the end alone: a code has one bit at least
		leaves = append(leaves, 0)
	}
	for i, l := range leaves { // few, and a general sort is 15 KB of code
		for ; i > 0 && leaves[i-1] > l; i-- {
			leaves[i] = leaves[i-1]
		}
		leaves[i] = l
	}
	n := len(leaves)
	parents := make([]int32, 2*n-1) // of the leaves, then of the nodes
	sums := make([]uint64, 0, n-1)
	leaf, node := 0, 0
	take := func(parent int) uint64 {
		if node >= len(sums) || leaf < n && leaves[leaf]>>16 <= sums[node] {
			parents[leaf] = int32(parent)
			leaf++
			return leaves[leaf-1] >> 16
		}
		parents[n+node] = int32(parent)
		node++
		return sums[node-1]
	}
	for len(sums) < n-1 {
		parent := n + len(sums)
		sum := take(parent)
		sums = append(sums, sum+take(parent))
	}
	deep := make([]uint16, 2*n-1)
	greatest := 0
	for i := 2*n - 3; i >= 0; i-- {
		deep[i] = deep[parents[i]] + 1
		greatest = max(greatest, int(deep[i]))
	}
	*depths = [literals]uint8{}
	for i, l := range leaves {
		depths[l&0xffff] = uint8(min(deep[i], 255))
	}
	return greatest
}
