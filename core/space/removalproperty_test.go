package space_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

var (
	removalRuns = flag.Int("space.removals", 8, "how many random histories with removals to run")
	removalSeed = flag.Uint64("space.seed", 1, "the seed of the first of them; the next follow it")
)

// society is engines of one space that write, meet by chance, and put one another
// out.
type society struct {
	t       *testing.T
	r       *rand.Rand
	all     []*engine
	objects []id.ObjectID
	invited int // delegated invitations
	log     []string
}

// TestRemove_converges lets members write, exchange some of what they have, change
// roles and remove one another in any order, and then everything meet: all who read
// hold the same objects, as does who joins last and reads it all at once.
func TestRemove_converges(t *testing.T) {
	seed := *removalSeed
	defer func() { seeded = nil }()
	for i := range *removalRuns {
		s := &society{t: t, r: rand.New(rand.NewPCG(seed+uint64(i), 1))}
		seeded = seededEnv(seed + uint64(i))
		s.run()
		if t.Failed() {
			t.Fatalf("seed %d (-space.seed), %v", seed+uint64(i), s.log)
		}
	}
}

// seededEnv draws keys from a seed, and counts milliseconds.
func seededEnv(seed uint64) *env.Env {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	now := time.UnixMilli(1e12)
	clock := env.ClockFunc(func() time.Time { now = now.Add(time.Millisecond); return now })
	return &env.Env{Clock: clock, Rand: rand.NewChaCha8(key), Log: env.NoLog{}}
}

func (s *society) run() {
	founder := found(s.t)
	s.all = []*engine{founder}
	for range 2 + s.r.IntN(4) {
		guest := founder.joinAs([]credential.Role{credential.Owner, credential.Admin, credential.Editor, credential.Editor}[s.r.IntN(4)])
		s.all = append(s.all, guest)
	}
	for _, e := range s.all {
		e.pull(founder)
	}
	for range 20 + s.r.IntN(40) {
		s.step()
	}
	s.meet()
	s.compare()
}

// say notes a step, for a failure.
func (s *society) say(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *society) step() {
	at, with := s.r.IntN(len(s.all)), s.r.IntN(len(s.all))
	e, other := s.all[at], s.all[with]
	switch s.r.IntN(14) {
	case 0, 1, 2:
		s.keys(e)
		if e.MayWrite() {
			s.say("%d writes %d", at, len(s.objects))
			s.objects = append(s.objects, e.write())
		}
	case 3:
		if e.MayWrite() {
			s.say("%d edits %d", at, len(s.objects))
			s.objects = append(s.objects, e.edit()) // its block is built later
		}
	case 4:
		s.change(e, other, at, with)
	case 5:
		s.say("%d makes keys", at)
		s.keys(e)
	case 6:
		s.admit(e, at)
	case 7:
		s.device(e, other, at, with)
	default:
		if e != other {
			s.say("%d pulls %d", at, with)
			e.pull(other)
			s.sound(e)
		}
	}
}

// maxEngines bounds how many there are.
const maxEngines = 9

// admit has one admit somebody, by an invitation of its own or by one that others
// answer too.
func (s *society) admit(e *engine, at int) {
	m := e.Membership()
	if !m.MayInvite(e.self.Device, credential.Editor) || !e.MayWrite() || len(s.all) >= maxEngines {
		return
	}
	open := m.Invitations()
	switch {
	case s.r.IntN(2) == 0:
		s.say("%d admits %d", at, len(s.all))
		s.all = append(s.all, e.join())
	case len(open) > 0:
		s.say("%d answers an invitation, to %d", at, len(s.all))
		s.all = append(s.all, e.joinBy(credential.Editor, open[0].Invitation))
	default:
		s.say("%d delegates an invitation", at)
		s.invited++
		claim := credential.Invitation{Invitation: id.InvitationID{byte(s.invited)}, Role: credential.Editor}
		in, err := e.BuildControl(e.Delegation(claim, []byte("code")))
		ok(s.t, err)
		e.store(in)
	}
	s.sound(e)
}

// device has one add a device, or revoke another's.
func (s *society) device(e, other *engine, at, with int) {
	m := e.Membership()
	switch {
	case s.r.IntN(2) == 0 && e.MayWrite() && len(s.all) < maxEngines:
		s.say("%d adds device %d", at, len(s.all))
		s.flush(e)
		s.all = append(s.all, e.onDevice(e.withHalo().further()))
	case e != other && (m.MayRemove(e.self.Device, other.self.Identity) || e.self.Identity == other.self.Identity):
		member, known := m.Identity(other.self.Identity)
		if !known || len(member.Devices) < 2 || !e.MayWrite() {
			return
		}
		s.say("%d revokes device %d", at, with)
		s.flush(e)
		if in, err := e.RevokeDevice(other.self.Identity, other.self.Device); in != nil || err != nil {
			if !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.NotPermitted) {
				ok(s.t, err)
				e.store(in)
			}
		}
		s.sound(e)
	}
}

// change has one take rights from another, if it may.
func (s *society) change(e, other *engine, at, with int) {
	m := e.Membership()
	role := []credential.Role{credential.Admin, credential.Editor, credential.Reader}[s.r.IntN(3)]
	switch {
	case s.r.IntN(2) == 0 && m.MaySet(e.self.Device, other.self.Identity, role):
		s.say("%d makes %d %v", at, with, role)
		if in, err := e.SetRole(other.self.Identity, role); in != nil || err != nil {
			ok(s.t, err)
			e.store(in)
		}
	case m.MayRemove(e.self.Device, other.self.Identity) && len(m.Members()) > 2:
		s.say("%d removes %d", at, with)
		s.flush(e)
		e.remove(other)
	}
	s.sound(e)
}

// keys makes the keys that are due.
func (s *society) keys(e *engine) {
	in, err := e.Rotate()
	ok(s.t, err)
	if in == nil {
		in, err = e.Reseal()
		ok(s.t, err)
	}
	if in != nil {
		e.store(in)
	}
}

// flush builds what was edited.
func (s *society) flush(e *engine) {
	if !e.MayWrite() {
		return
	}
	in, err := e.Build()
	ok(s.t, err)
	if in != nil {
		e.store(in)
	}
}

// sound reads a space again as its driver does.
func (s *society) sound(e *engine) {
	if !e.Unsound() {
		return
	}
	s.say("it is unsound")
	s.flush(e)
	e.rec = e.Record()
	e.reopen(e.st)
	if e.Unsound() {
		s.t.Error("it is unsound after it was read again")
	}
}

// number is an engine's place among all; -1 for those made in the end.
func (s *society) number(e *engine) int { return slices.Index(s.all, e) }

// meet lets everybody who is in have everything.
func (s *society) meet() {
	for _, e := range s.all {
		if e.MayWrite() {
			s.flush(e)
		} else { // what it edited and may not write any more stays nowhere
			e.rec = e.Record()
			e.reopen(e.st)
		}
	}
	for range 6 {
		for _, e := range s.all {
			for _, other := range s.all {
				if e != other {
					e.pull(other)
					s.sound(e)
				}
			}
			s.keys(e)
			e.settle()
			s.flush(e)
		}
	}
}

// compare holds the members against one another and a newcomer.
func (s *society) compare() {
	// Who was put out lacks what was decided under keys that it did not get, and may
	// think otherwise: who is in, they say who know most.
	most := s.all[0]
	for _, e := range s.all {
		if len(e.Membership().Audit()) > len(most.Membership().Audit()) {
			most = e
		}
	}
	var members []*engine
	for _, e := range s.all {
		if _, in := most.Membership().Device(e.self.Device); in {
			members = append(members, e)
		}
	}
	if len(members) == 0 {
		s.t.Error("nobody is left")
		return
	}
	for _, e := range members {
		if e.Membership().MayInvite(e.self.Device, credential.Editor) {
			late := e.join()
			for _, other := range members {
				late.pull(other)
			}
			again := *e
			again.rec = e.Record()
			again.reopen(e.copyStore())
			members = append(members, late, &again)
			break
		}
	}
	key, held := members[0].EpochKey(id.EpochID{})
	for i, e := range s.all {
		if e.pull(members[0]); !slices.Contains(members, e) {
			if _, has := e.EpochKey(key.ID()); has {
				s.t.Errorf("%d was put out and holds the key that is written under", i)
			}
		} else if k, _ := e.EpochKey(id.EpochID{}); !held || k != key {
			s.t.Errorf("%d writes under another key", i)
		}
	}
	for n, v := range s.objects {
		_, want := members[0].DB().Read(v)
		for _, e := range members[1:] {
			if _, there := e.DB().Read(v); there != want {
				s.t.Errorf("object %d of %d: %d has it: %v, %d: %v", n, len(s.objects), s.number(members[0]), want, s.number(e), there)
			}
		}
	}
}
