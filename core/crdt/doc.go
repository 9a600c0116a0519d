// Package crdt is the causal graph of a space and the registers that live on
// it. It does no I/O, knows no clock, and is a pure function of the blocks that
// were added: replicas that hold the same blocks hold the same values, in
// whatever causally valid order these came.
//
//   - Graph: blocks as nodes, with their parents, lamport times and the heads.
//     A block has as many ops as it says; op i of it has lamport start+i, where
//     start is one more than the greatest lamport that any parent ends with.
//   - Stamp: one op, as node and index. Graph.Compare orders stamps totally: by
//     lamport, then feed, then (two branches of a forked feed) block hash.
//   - Past: what one node has in its causal past, for deciding what it
//     overwrites.
//   - Walk, PastOfAll: the nodes of a version, newest first, and as a set.
//   - Registers: values under last-writer-wins; concurrent ones are kept.
//
// A node may be pending: ops that their writer has applied before their block
// has a hash. Its parents and lamports are fixed when it begins; Commit gives
// it its name.
//
// State is flat (package flat): no pointer or map entry per block or value.
// Nothing here is safe for concurrent use.
package crdt
