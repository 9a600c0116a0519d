package syncer

import (
	"runtime"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// liar is a peer of a syncer that says what it likes.
type liar struct {
	t    *testing.T
	s    *Syncer
	peer Peer
	err  error // by which it was dropped
}

// lies begins a session.
func lies(t *testing.T, s *Syncer, peer Peer) *liar {
	t.Helper()
	l := &liar{t: t, s: s, peer: peer}
	s.AddPeer(peer, PeerOptions{})
	l.say(encodeHello())
	return l
}

func (l *liar) say(msg []byte) {
	if l.err == nil {
		if l.err = l.s.Step(l.peer, msg); l.err != nil {
			l.s.RemovePeer(l.peer)
		}
	}
}

func (l *liar) claim(f id.FeedID, kind feed.Kind, heads ...feed.Ref) {
	l.say(haveMessage{true, []haveEntry{{f, kind, heads}}}.encode())
}

func hashOf(n uint64) (h id.Hash) {
	return id.Hash(keys.Sum([]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}))
}

// TestAttack_R4_liesAboutFrontiers has a peer claim what is not so, beside an honest one
// that has all: everything comes from that one, in bounded time.
func TestAttack_R4_liesAboutFrontiers(t *testing.T) {
	type scene struct {
		l      *liar
		h      *feed.SignedHeader // of the honest feed
		heads  []feed.Ref
		blocks [][]byte // its first ones
		own    *feed.SignedHeader
		drip   func() // gives the next true block of its own feed
	}
	cases := map[string]struct {
		at   func(x *scene, second int)
		most int // seconds until all is there
	}{
		"more, at a place beyond all": {func(x *scene, n int) {
			x.l.claim(x.h.ID(), feed.Data, feed.Ref{Feed: x.h.ID(), Seq: feed.MaxSeq, Hash: hashOf(1)})
		}, 60},
		"more, another each second": {func(x *scene, n int) {
			x.l.claim(x.h.ID(), feed.Data, feed.Ref{Feed: x.h.ID(), Seq: uint64(1000 + n), Hash: hashOf(uint64(n))})
		}, 60},
		"other hashes": {func(x *scene, n int) {
			x.l.claim(x.h.ID(), feed.Data, feed.Ref{Feed: x.h.ID(), Seq: x.heads[0].Seq, Hash: hashOf(uint64(n))})
		}, 60},
		"as many heads as may be": {func(x *scene, n int) {
			var heads []feed.Ref
			for i := range maxHeads {
				heads = append(heads, feed.Ref{Feed: x.h.ID(), Seq: 7, Hash: hashOf(uint64(n*maxHeads + i))})
			}
			x.l.claim(x.h.ID(), feed.Data, heads...)
		}, 60},
		"less, having said more": {func(x *scene, n int) {
			if n == 0 {
				x.l.claim(x.h.ID(), feed.Data, x.heads...)
			} else {
				x.l.claim(x.h.ID(), feed.Data)
			}
		}, 60},
		"the true heads, in silence": {func(x *scene, n int) { x.l.claim(x.h.ID(), feed.Data, x.heads...) }, 60},
		"the true heads, saying that it has no more": {func(x *scene, n int) {
			x.l.claim(x.h.ID(), feed.Data, x.heads...)
			for _, head := range x.heads {
				x.l.say(nackMessage{x.h.ID(), head, nackUnavailable}.encode())
			}
		}, 60},
		"the true heads, giving its own feed": {func(x *scene, n int) {
			x.l.claim(x.h.ID(), feed.Data, x.heads...)
			if n%5 == 0 {
				x.drip()
			}
		}, 200},
		"the true heads, giving the first block again and again": {func(x *scene, n int) {
			x.l.claim(x.h.ID(), feed.Data, x.heads...)
			if n%5 == 0 {
				x.l.say(runMessage{Feed: x.h.ID(), Header: x.h.Encode(), To: feed.Ref{Feed: x.h.ID(), Seq: 1, Hash: x.heads[0].Hash}, Blocks: x.blocks[:1]}.encode())
			}
		}, 200},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 31, 3)
			a, b, evil := f.nodes[0], f.nodes[1], f.nodes[2]
			h, other := a.addFeed(feed.Data), a.addFeed(feed.Control)
			a.write(h, 40, 2000)
			a.write(other, 3, 10)
			heads := a.logs[h.ID()].Heads()
			path, _ := a.logs[h.ID()].Path(feed.Ref{Feed: h.ID()}, heads[0])
			x := &scene{l: lies(t, b.sync, 1<<40), h: h, heads: heads, blocks: [][]byte{a.raw[path[0]]}, own: evil.addFeed(feed.Data)}
			x.drip = func() {
				evil.write(x.own, 1, 10)
				head := evil.logs[x.own.ID()].Heads()[0]
				x.l.claim(x.own.ID(), feed.Data, head)
				x.l.say(runMessage{Feed: x.own.ID(), Header: x.own.Encode(), To: head, Flags: runLast, Blocks: [][]byte{evil.raw[head]}}.encode())
			}
			test.at(x, 0)
			b.sync.Tick(f.now)
			b.runs = append(b.runs, b.sync.Ready().Runs...) // the liar is asked first
			f.connect(a, b)
			done := -1
			for n := 1; n <= test.most && done < 0; n++ {
				for quiet := false; !quiet; {
					did := f.flushBut(1 << 40)
					for _, s := range f.sessions {
						did = f.deliver(s, 100) || did
					}
					for _, node := range f.nodes[:2] {
						did = node.act(100) || did
					}
					quiet = !did
				}
				if log := b.logs[h.ID()]; log != nil && log.Has(heads[0]) && b.logs[other.ID()] != nil {
					done = n
				}
				f.now += 1000
				a.sync.Tick(f.now)
				b.sync.Tick(f.now)
				test.at(x, n)
			}
			if done < 0 {
				t.Fatalf("the feed did not come in %d s; the liar was dropped: %v", test.most, x.l.err)
			}
			if x.l.err != nil && !errs.Is(x.l.err, errs.PeerMisbehaved) {
				t.Fatalf("it was dropped for %v", x.l.err)
			}
		})
	}
}

// flushBut is flush; what is said to that peer goes nowhere.
func (f *fleet) flushBut(peer Peer) bool {
	f.next++
	s := &session{a: &node{f: f, sync: New(Options{})}, b: f.nodes[1], id: peer}
	f.sessions = append(f.sessions, s)
	did := f.flush()
	for i, other := range f.sessions {
		if other == s {
			f.sessions = append(f.sessions[:i:i], f.sessions[i+1:]...)
			break
		}
	}
	return did
}

// TestAttack_R4_claimsWithoutEnd: a peer tells of feeds and heads without end: it is
// dropped, what is kept is bounded, and another one tells of its feeds nevertheless.
func TestAttack_R4_claimsWithoutEnd(t *testing.T) {
	f := newFleet(t, 32, 2)
	a, b := f.nodes[0], f.nodes[1]
	h := a.addFeed(feed.Data)
	a.write(h, 3, 10)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for name, heads := range map[string]int{"feeds": 1, "heads": maxHeads} {
		t.Run(name, func(t *testing.T) {
			l := lies(t, b.sync, 1<<40)
			for n := uint64(0); l.err == nil; n++ {
				if n > 2*maxFeeds {
					t.Fatal("it goes on for ever")
				}
				var list []feed.Ref
				fid := id.FeedID(hashOf(n))
				for i := range heads {
					list = append(list, feed.Ref{Feed: fid, Seq: 1 + n, Hash: hashOf(uint64(i))})
				}
				l.claim(fid, feed.Control, list...)
				if n == maxFeeds-2 || heads > 1 && n == maxClaims/maxHeads-1 {
					runtime.GC()
					runtime.ReadMemStats(&after)
					if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 100<<20 {
						t.Errorf("%d MB are kept of what it tells", used>>20)
					}
					f.connect(a, b) // beside it
					f.settleBut(1 << 40)
					f.equalBlocks(b)
				}
			}
			if !errs.Is(l.err, errs.PeerMisbehaved) {
				t.Fatalf("it was dropped for %v", l.err)
			}
			if n := len(b.sync.feeds); n > 10 {
				t.Errorf("%d feeds are known when it is gone", n)
			}
		})
	}
}

// settleBut settles the others.
func (f *fleet) settleBut(peer Peer) {
	for range 200 {
		f.flushBut(peer)
		for _, s := range f.sessions {
			f.deliver(s, 100)
		}
		for _, n := range f.nodes {
			n.act(100)
		}
	}
}

// equalBlocks fails unless a node has all that the first one has.
func (f *fleet) equalBlocks(n *node) {
	f.t.Helper()
	for ref := range f.nodes[0].raw {
		if n.raw[ref] == nil {
			f.t.Fatalf("block %d is not there", ref.Seq)
		}
	}
}

// TestAttack_R4_failsToGive: a peer that never gives what it says it has is dropped.
func TestAttack_R4_failsToGive(t *testing.T) {
	f := newFleet(t, 33, 1)
	b := f.nodes[0]
	l := lies(t, b.sync, 1<<40)
	for n := uint64(0); l.err == nil; n++ {
		if n > 10*maxFailures {
			t.Fatal("it is asked for ever")
		}
		fid := id.FeedID(hashOf(n))
		head := feed.Ref{Feed: fid, Seq: 9, Hash: hashOf(n)}
		l.claim(fid, feed.Data, head)
		b.sync.Ready()
		l.say(nackMessage{fid, head, nackUnavailable}.encode())
	}
	if !errs.Is(l.err, errs.PeerMisbehaved) {
		t.Fatalf("it was dropped for %v", l.err)
	}
}
