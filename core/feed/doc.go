// Package feed is the append-only, single-writer, hash-chained log of blocks
// that everything in a space is written to: its encoding, encryption, hashes,
// signatures and forks. It does no I/O.
//
// In order of use: [Header] names a feed, [NewHeader] signs it; [Build] or
// [BuildParts] makes blocks, [DecodeBlock] reads them, [VerifyRun] accepts a
// run of them by one signature; [Folder] makes a repack of a run; [Log] indexes
// the blocks of one feed; [BlockKey] and its kin are where a Store keeps them.
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
// # Small blocks
//
// What a block seals of up to 4 KiB, form byte and payload, unless it is a part or
// a repack, is sealed by keys.SealDerived: its nonce is a keyed hash of it and of
// the header. The header names the place and the block before, so that no two
// blocks are alike. Earlier versions drew the nonce, which Open does not mind.
//
// # Repack
//
// A repack stands for the blocks at the places From..Seq of its feed, all of them
// small and under one key: it has what they sealed, their ops and their deltas
// (repack.go), from which everybody who has the key makes the very same blocks
// again, hashes and all ([Block.OpenRepack], [Folded.Unfold]). So a repack says
// nothing of its own. Whoever has the run may make one ([Folder]), not only the
// author; what it unfolds to must have the hashes that it names, and the author's
// signature that it carries is that of the last block. Another payload, order,
// count of ops or delta than in the run that the author signed is an
// errs.CorruptBlock for everybody who unfolds it, and who has not the key cannot
// use one. [CheckRepack] compares the form with a run that is at hand.
//
// Its Prev is that of the first block it replaces, and what follows it still names
// the last block's hash; so its [Block.Ref], its place in the chain, has that hash.
//
// # Caveats
//
// A signature says who wrote, not whether they might: package credential
// decides that. Deltas are claims until their blocks arrive. A feed's author
// can fork it; Log keeps every branch.
package feed
