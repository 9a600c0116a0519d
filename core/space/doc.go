// Package space holds one replicated space: its control state (credentials,
// membership, keys), its feeds, and the wiring of feeds to the object
// database. It does no I/O, starts no goroutine and reads no clock but Env's:
// the caller stores what it is told to store and then commits it, so that
// nothing is acknowledged, passed on or sent before it is durable.
//
// Key types, in order of use: Secrets (what a member holds), Create and New
// (a founder's and everybody's Space), Space.Load (from storage),
// Space.Receive, Space.Show, Space.Commit and Space.Settle (blocks of others),
// Space.Vouch (blocks to serve), Space.Build, Space.Finish and Space.Stored (own blocks),
// Introduction and Admission (what an invitation carries).
//
// Life of a block of another writer: Receive verifies the run against the feed
// it extends (hashes, one signature) and gives an Intake; Show queues its changes
// while the caller stores its batch; Commit indexes the stored blocks; Settle,
// after either, opens and applies what is queued, as much as its caller has
// time for. A block whose key, membership or causal past has not arrived yet is
// kept and applied when it has. Life of an own block: edits gather in the
// database; Build seals them into blocks and gives an Intake; Finish, which may wait and
// beside which everything else goes on, signs it; the caller stores it; Stored registers
// it; only then may it be sent.
//
// Life of an own feed whose end storage lost: the peers bring it, and the writer
// goes on behind it; or, if another block was built there, the writer leaves
// the forked feed for a new incarnation, and CloseLeft closes it. Writing says
// which feed would be extended, so that the caller can wait for its end.
//
// A further device of a member is admitted by nobody here: it brings its credential in
// its own control feed: device.go.
//
// What a control block holds, and who opens it where keys differ: handover.go.
//
// Small blocks of data feeds may be stored, and sent, as repacks: repack.go. They are
// unfolded to the very same blocks at the border, so nothing else here knows them.
//
// A Space is not safe for concurrent use, but for what Finish does on its own: callers
// serialise.
package space
