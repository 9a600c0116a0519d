package sim_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
)

var (
	runs = flag.Int("sim.runs", 0, "how many seeds to run; 0 is a quick choice")
	one  = flag.Uint64("sim.seed", 0, "run this seed only")
)

// seeds runs f for each seed, in its own bubble of simulated time.
func seeds(t *testing.T, quick int, f func(t *testing.T, seed uint64)) {
	first, last := uint64(1), uint64(quick)
	if *runs > 0 {
		last = uint64(*runs)
	}
	if *one > 0 {
		first, last = *one, *one
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("sim.seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, seed) })
		})
	}
}

// TestSim_T01_T04_fleet lets random peers edit, come, go, crash with loss of
// their last writes, and be put back to older copies.
func TestSim_T01_T04_fleet(t *testing.T) {
	seeds(t, 20, func(t *testing.T, seed uint64) {
		f := newFleet(t, seed, 2+int(seed%3))
		s := script{fleet: f, copies: map[*peer][]storage.Entry{}, start: time.Now()}
		for range 8 + f.rng.IntN(16) {
			s.step()
		}
		f.finish()
		s.checkAcknowledged()
	})
}

// script draws what happens next.
type script struct {
	*fleet
	copies map[*peer][]storage.Entry
	acks   []ack
	start  time.Time
	n      int
}

// ack is what was there when a flush to a peer resolved: the blocks are all on
// the disk, since an edit cannot be shown without what it follows.
type ack struct {
	blocks  map[string]bool
	objects []id.ObjectID
}

func (s *script) step() {
	p := s.peers[s.rng.IntN(len(s.peers))]
	what := s.rng.IntN(24)
	s.t.Logf("%v: step %d of %s, offline: %v", time.Since(s.start), what, p.name, p.offline)
	switch {
	case what < 9:
		s.edits(p)
	case what < 11:
		p.reach(p.offline)
	case what < 13:
		time.Sleep(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
	case what < 15:
		s.edits(p)
		p.flush(client.FlushStore)
		p.cut(1 + s.rng.IntN(6))
	case what < 16:
		s.copies[p] = p.copyDisk()
	case what < 17:
		if old := s.copies[p]; old != nil {
			p.offline = s.rng.IntN(2) == 0
			p.restore(old)
			s.edits(p)
		}
	case what < 18:
		p.close()
		p.open()
	case what < 20:
		s.acknowledge(p)
	case what < 21:
		s.rename(p)
	case what < 22:
		s.rename(p)
		p.cut(1 + s.rng.IntN(3))
		s.rename(p) // may fork the control feed
	case what < 23:
		s.fill(p)
	default:
		s.damage(p)
	}
}

// rename writes a control block.
func (s *script) rename(p *peer) {
	s.n++
	_, err := p.c.UpdateProfile(ctx, fmt.Sprint(p.name, " ", s.n))
	if !errs.Is(err, errs.NotPermitted) { // its admission has not arrived yet
		s.ok(err)
	}
}

// fill edits on a full disk, which then gets room again.
func (s *script) fill(p *peer) {
	p.flush(client.FlushStore)
	p.disk.SetFull(true)
	p.create("no room")
	if err := p.sp.Flush(ctx, client.FlushStore); !errs.Is(err, errs.StorageFull) {
		s.t.Errorf("%s: a flush on a full disk gives %v", p.name, err)
	}
	p.create("still no room")
	p.disk.SetFull(false)
	time.Sleep(2 * time.Second)
	p.flush(client.FlushStore)
}

// damage spoils the record of a block, or of a repack, while every disk holds all. Two peers whose copies of
// one feed are damaged at once, at different places, may each need a block that
// the other cannot vouch for until it is healed itself.
func (s *script) damage(p *peer) {
	var shared []string
	for _, e := range append(p.scan(storage.Prefix([]byte("b/"))), p.scan(storage.Prefix([]byte("r/")))...) {
		if key := string(e.Key); s.ofSpace(key) {
			shared = append(shared, key)
		}
	}
	if !s.settled() || len(shared) == 0 {
		return
	}
	slices.Sort(shared)
	key := shared[s.rng.IntN(len(shared))]
	ref, plain := feed.ParseBlockKey([]byte(key))
	if !plain {
		ref, _, _ = feed.ParseRepackKey([]byte(key))
	}
	s.t.Logf("damaged: block %d of feed %s, a repack: %v", ref.Seq, id.Short(ref.Feed), !plain)
	p.fault(func() {
		p.disk, _ = p.disk.Reopen(0)
		s.ok(p.disk.Corrupt([]byte(key), memstore.FlipBit))
	})
}

// edits makes a burst or several.
func (s *script) edits(p *peer) {
	for range 1 + s.rng.IntN(6) {
		s.n++
		value := fmt.Sprint(p.name, " ", s.n)
		if s.rng.IntN(25) == 0 {
			value += noise(s.rng, 600<<10) // spans parts
		}
		known := s.known(p)
		switch what := s.rng.IntN(14); {
		case what < 4 || len(known) == 0:
			p.create(value)
		case what < 6:
			p.set(known[s.rng.IntN(len(known))], value, "v")
		case what < 8:
			p.set(known[s.rng.IntN(len(known))], value, "m", "v")
		case what < 10:
			p.remove(known[s.rng.IntN(len(known))], what == 8)
		case what < 12:
			p.typeIn(known[s.rng.IntN(len(known))], s.rng, value[:min(len(value), 20)])
		default:
			p.arrange(known[s.rng.IntN(len(known))], s.rng, value[:min(len(value), 20)])
		}
		if s.rng.IntN(3) == 0 {
			time.Sleep(time.Duration(s.rng.IntN(40)) * time.Millisecond)
		}
	}
}

// noise is text that does not deflate much.
func noise(rng *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteByte(byte(33 + rng.IntN(94)))
	}
	return b.String()
}

// known are the objects of all peers that this one has.
func (s *script) known(p *peer) (list []id.ObjectID) {
	for _, o := range s.peers {
		for _, v := range o.objects {
			if p.has(v) {
				list = append(list, v)
			}
		}
	}
	return list
}

// acknowledge flushes to a peer; at that moment another disk must hold all.
func (s *script) acknowledge(p *peer) {
	online := 0
	for _, o := range s.peers {
		if !o.offline {
			online++
		}
	}
	if p.offline || online < 2 {
		return
	}
	p.create("acknowledged")
	var objects []id.ObjectID
	for _, v := range p.objects {
		if p.has(v) { // else a fault took it
			objects = append(objects, v)
		}
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := p.sp.Flush(limited, client.FlushPeer)
	if err != nil && online < len(s.peers) {
		return // the one that is away may be who knows of an admission
	}
	s.ok(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := p.ownBlocks()
	for _, o := range s.peers {
		if o == p {
			continue
		}
		if theirs := o.blocks(); within(mine, theirs) {
			s.acks = append(s.acks, ack{p.blocks(), objects})
			return
		}
	}
	s.t.Errorf("%s: a flush to a peer resolved, and no other disk holds all its edits", p.name)
}

func within(a, b map[string]bool) bool {
	for key := range a {
		if !b[key] {
			return false
		}
	}
	return true
}

// checkAcknowledged looks for the objects of which no fault took a block, or
// one that it may follow, from everybody.
func (s *script) checkAcknowledged() {
	for _, a := range s.acks {
		if !within(a.blocks, s.owed) {
			continue
		}
		for _, v := range a.objects {
			if !s.final[v] {
				s.t.Errorf("object %s was acknowledged and is gone", v)
			}
		}
	}
}

// TestSim_T04_restore puts back an older copy of a profile whose blocks went to
// a peer, goes on offline, and then meets the peer.
func TestSim_T04_restore(t *testing.T) {
	seeds(t, 6, func(t *testing.T, seed uint64) {
		f := newFleet(t, seed, 2)
		p := f.peers[0]
		before := p.create("before the copy")
		p.flush(client.FlushPeer)
		old := p.copyDisk()
		var sent []id.ObjectID
		for i := range 1 + f.rng.IntN(5) {
			sent = append(sent, p.create(fmt.Sprint("sent ", i)))
			p.set(before, fmt.Sprint("sent ", i), "v")
			p.flush(client.FlushPeer)
		}
		forks := f.rng.IntN(4) > 0
		p.offline = forks
		p.restore(old)
		if forks {
			for i := range 1 + f.rng.IntN(5) {
				sent = append(sent, p.create(fmt.Sprint("offline ", i)))
				p.set(before, fmt.Sprint("offline ", i), "v")
				p.flush(client.FlushStore)
			}
			p.reach(true)
		}
		for _, o := range f.peers {
			for _, v := range sent {
				f.eventually("every object is back", func() bool { return o.has(v) })
			}
		}
		after := p.create("after the fork")
		p.flush(client.FlushPeer)
		f.eventually("the peer has it", func() bool { return f.peers[1].has(after) })
		if want := map[bool]int{true: 2, false: 1}[forks]; len(p.feeds(feed.Data)) != want {
			t.Errorf("%d data feeds, want %d", len(p.feeds(feed.Data)), want)
		}
		f.finish()
	})
}
