// Package feed is the append-only, single-writer, hash-chained log of blocks
// that everything in a space is written to: its encoding, encryption, hashes,
// signatures and forks. It does no I/O.
//
// In order of use: [Header] names a feed, [NewHeader] signs it; [Build] or
// [BuildParts] makes blocks, [DecodeBlock] reads them, [VerifyRun] accepts a
// run of them by one signature; [Log] indexes the blocks of one feed;
// [BlockKey] and its kin are where a Store keeps them.
//
// # Formats
//
// All in the subset of package wire; integers and lengths are in their one
// shortest form, and what decodes encodes to the same bytes.
//
//	signed header = [bin header, bin64 signature]
//	header        = [1, bin32 space, bin32 device, slot, bin16 incarnation, kind]
//	block         = [bin header, bin ciphertext, bin64 signature | bin0]
//	block header  = [1, bin32 feed, seq, bin32 prev, bin16 epoch, deltas, ops,
//	                 length, part, parts, repack]
//	deltas        = [[bin32 feed, seq, bin32 hash]...]  ascending, none of the own feed
//	repack        = nil | [from, bin32 first, bin32 last]
//
// The feed's id is the BLAKE2b-256 of its header bytes. A block's hash is
// BLAKE2b-256(block header ‖ BLAKE2b-256(ciphertext)). Signatures are Ed25519
// by the device of the header, over "echospace feed header" ‖ 0 ‖ header and
// "echospace feed block" ‖ 0 ‖ hash.
//
// The ciphertext is keys.Seal with the block header as associated data, of one
// byte, 0 or 1, and the payload: raw, or deflated (RFC 1951) when that is
// shorter. A block inflates to 16 MiB at most.
//
// # Parts
//
// A change too big for one block spans blocks 1 of n to n of n, at consecutive
// places. The first carries the deltas, the last the op count and the only
// signature, so that no run that verifies ends between them. They are stored
// in one batch and applied together.
//
// # Repack
//
// A repack block stands for the places From..Seq of its own feed. Its Prev is
// that of the first block it replaces, and what follows it still names the
// last block's hash; so its [Block.Ref], its place in the chain, has that
// hash, while [Block.Hash], what is signed, is its own. No later hash covers
// it, and therefore it always carries its own signature. That its payload has
// the same ops is checked by who reads payloads; [CheckRepack] checks the form.
//
// # Caveats
//
// A signature says who wrote, not whether they might: package credential
// decides that. Deltas are claims until their blocks arrive. A feed's author
// can fork it; Log keeps every branch. A Log that holds a repack takes the plain
// blocks of its places, given later, for a branch: do not fetch them.
package feed
