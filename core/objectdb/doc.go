// Package objectdb is the database of one space: objects in memory, made from
// the blocks of feeds, changed by local transactions, watched by live queries.
// It does no I/O, knows no clock and starts no goroutine; the caller serialises
// all calls.
//
//   - DB: New, then Apply for each stored block in causal order, or ApplySome bit by
//     bit, SetWriter for the feed to write to.
//   - Local: one transaction, visible at once or refused whole. It joins the
//     open Burst; Cut hands over what becomes the next own block, and Written
//     tells how that block is named.
//   - Undo, Redo, UndoState: steps of the writer, each a transaction or several
//     (EndStep, EndTask); CutUndo and RestoreUndo keep them beyond this database.
//   - Read, ReadMany, Conflicts: the state now, without replaying anything.
//   - FindText, EditText, AppendText, TextMarks, WatchText, Anchor: one text, by a number
//     that is good for as long as the database lives.
//   - OpenQuery and Changes: results once, then only what changed.
//   - Now, VersionOf, Resolve, Walk, BlockOf: versions, and which blocks each is of;
//     a DB to which these are applied is the past. Reader tells the changes of a
//     payload, Plain and Difference how two states differ, RestoreOps what leads
//     back, TextRuns who wrote what.
//   - Image and Restore: the state page by page, and a database made of it.
//
// # Objects
//
// An object is a map with a 16-byte id. Each key of a map is a register: the
// write with the greatest (lamport, feed, block hash) wins, concurrent ones are
// kept until a later write follows them. A nested map is a container of its
// own, whose id is the hash of parent, key, type and the op that its creator
// saw in the register (lamport and feed; none at first): maps that two replicas
// create at one key concurrently are ONE map with the contents of both, while
// delete and create again gives another. Lists, texts and counters are
// containers too. A counter is the sum of all that was added to it, what its
// creators began with included. Lists and texts are sequences (package egwalker),
// of which each event is what one block does; text.go and list.go say how, and
// mark.go how texts are formatted.
// Delete and restore of an object are a register beside its properties, so that
// an edit concurrent with a delete is kept and does not revive.
//
// Every well-formed block is accepted: a write to an object that is not created
// (only a faulty writer makes one) is kept, and the object stays invisible
// until a create arrives.
//
// # Encodings
//
// All in package wire; payload.go, columns.go, local.go, record.go, filter.go,
// live.go, version.go, plain.go and diff.go state theirs. A value is nil, bool, integer, float, str, or an array by type:
// [1, bin] bytes, [2, ms] date, [3, bin of 16] reference, [4, k, v, ...] map
// with ascending keys, [5, str] big integer in decimal, [6, v, ...] list, [7, str]
// text, [8, integer] counter.
//
// # Memory
//
// State is flat (package crdt/flat): rows in chunked columns, values in a
// compacted heap, keys interned. The number of pointers grows with the number
// of chunks, and of texts and lists, not of objects.
package objectdb
