// Package syncer replicates the feeds of one space with any number of peers.
// It is a state machine without I/O, goroutines and clock, for one goroutine:
//
//	s := syncer.New(syncer.Options{})
//	s.AddFeed(header, log)            // what is stored
//	s.AddPeer(p, syncer.PeerOptions{})
//	for {
//		... s.Step(p, msg), s.Stored(...), s.ReadDone(...), s.Tick(now) ...
//		s.Credit(p, room)
//		out := s.Ready()              // send out.Messages, do out.Reads, verify and store out.Runs
//	}
//
// Each Run that Ready gives must come back as exactly one of Stored, Duplicate
// or Rejected. Logs are the caller's, and grow before Stored tells of it.
//
// # Protocol
//
// Peers tell each other all heads of all their feeds, control feeds first, and
// then each change of them. A Have says what is stored, so it is the
// acknowledgement too. The side that lacks a head asks one peer for it with a
// Want, which names points of the feed that it holds; the answer is Runs, each
// ending at a signed block. One feed is asked of one peer at a time, another
// one when nothing moves for 10 s, and no Want is for more than 4 MiB. Fresh
// blocks of the own feeds are pushed, unasked, to every peer that is believed
// to hold their predecessor, and doubles are dropped by the storing side; blocks
// that came from a peer are announced to the others, so that what one knows
// spreads over any connected graph.
//
// What a peer says it has may not be so. A Want takes two minutes in all; who failed
// to answer one is asked after who did not, and is dropped after 64 in a row. Each peer
// may tell of 65,536 feeds and 131,072 heads.
//
// A feed may be forked: a head is (seq, hash), and every branch is offered and
// served; of more than 64 those first that the peer is not known to hold. If the points of a Want are on none of the lines that lead to the
// head, the answer is a Nack, and the next Want names the own heads and points
// below them at doubling distances down to the start of the feed; so at most
// about as many known blocks come again as lie above the fork.
//
// A side may have runs of small blocks as repacks (package feed) and send these to
// who says in its Want that it takes them; a repack may begin before the point that
// the Want names, and end behind the head. Who cannot unfold one, for lack of its
// key, asks again for plain blocks.
//
// # Messages
//
// Each is an array in the subset of package wire:
//
//	hello = [0, version 1]                                   first, once
//	have  = [1, last, [[bin32 feed, kind, heads]...]]        heads are complete per feed
//	want  = [2, bin32 feed, flags, point, points]            flags 1: header too, 2: repacks too
//	run   = [3, bin32 feed, flags, bin header | bin0, point, [bin block...]]
//	nack  = [4, bin32 feed, point, code]
//	point = [seq, bin32 hash]; heads, points = [point...]
//
// The point of a run is its last block. Its flags: 1, more blocks follow before
// a signed one; 2, the answer to a want ends. A message has at most 60 KiB
// unless a single block is longer. last in a have says that the first full
// account ends.
package syncer
