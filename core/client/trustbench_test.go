package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/space"
)

// line is a space in which everybody was admitted by the one who came before.
type line struct {
	t     testing.TB
	env   env.Env
	feeds []space.ControlFeed
	last  *end
}

// end is a member as a session knows it.
type end struct {
	self *self
	core *space.Space
}

func newLine(t testing.TB) *line {
	t.Helper()
	l := &line{t: t, env: env.Env{Clock: env.ClockFunc(time.Now), Rand: rand.Reader, Log: env.NoLog{}}}
	founder := &end{self: l.person()}
	core, _, first, err := space.Create(context.Background(), l.env, founder.self.forSpace(0))
	l.ok(err)
	founder.core, l.last = core, founder
	l.wrote(first)
	return l
}

func (l *line) ok(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) person() *self {
	root := keys.NewSigningKey([32]byte(l.env.Bytes(32)))
	me := &self{identity: id.IdentityKey(root.Public()), signer: keys.NewSigningKey([32]byte(l.env.Bytes(32))), sealing: keys.NewSealingKey([32]byte(l.env.Bytes(32)))}
	c, err := credential.Issue(context.Background(), root, nil, 1, credential.Device{Identity: me.identity, Device: me.device(), Sealing: me.sealing.Public()})
	l.ok(err)
	me.chain = [][]byte{c.Encode()}
	return me
}

// wrote takes in the first control block of the last member.
func (l *line) wrote(in *space.Intake) {
	l.ok(l.last.core.Finish(context.Background(), in, func(f func()) { f() }))
	l.ok(l.last.core.Stored(in))
	l.feeds = append(l.feeds, space.ControlFeed{Header: in.Header.Encode(), Blocks: in.Records()})
}

// admit has the last member admit the next.
func (l *line) admit() *end {
	next := &end{self: l.person()}
	in, err := l.last.core.Admit(space.Introduction{Identity: next.self.identity, Device: next.self.device(), Chain: next.self.chain}, credential.Admin, id.InvitationID{})
	l.ok(err)
	l.wrote(in)
	a, err := l.last.core.Admission(next.self.device())
	l.ok(err)
	next.core = space.Open(l.env, next.self.forSpace(0), a.Record)
	next.core.TakeControls(l.feeds)
	l.last = next
	return next
}

// swarm makes the sessions of a member, at a relay where it has that name.
func (l *line) swarm(e *end, name id.PeerID) *mesh.Swarm {
	gate := e.core.Secrets().Gate()
	auth := &spaceAuth{core: e.core, device: e.self.device(), instance: [16]byte(l.env.Bytes(16))}
	s, err := mesh.NewSwarm(mesh.Options{Env: l.env, Topic: gate.Topic, PSK: gate.PSK, Instance: auth.instance, Auth: auth})
	l.ok(err)
	auth.static = s.Static()
	auth.sig, err = e.self.signer.Sign(context.Background(), authMessage(e.core.Key(), auth.static, auth.instance))
	l.ok(err)
	s.Signal(signal.Event{Type: signal.Up, Self: name})
	return s
}

// meet runs a handshake, from the first frame until both ends have a session.
func (l *line) meet(a, b *end) {
	l.t.Helper()
	names := [2]id.PeerID{{1}, {2}}
	swarms := [2]*mesh.Swarm{l.swarm(a, names[0]), l.swarm(b, names[1])}
	for i, s := range swarms {
		s.Signal(signal.Event{Type: signal.Joined, Peer: names[1-i]})
	}
	connected := 0
	for range 10 {
		for i, s := range swarms {
			s.Tick(time.Now())
			out := s.Ready()
			for _, f := range out.Frames {
				swarms[1-i].Signal(signal.Event{Type: signal.Frame, Peer: names[i], Data: f.Data})
			}
			for _, ev := range out.Events {
				if ev.Type == mesh.Connected {
					connected++
				}
			}
		}
		if connected == 2 {
			return
		}
	}
	l.t.Fatalf("%d of two ends have a session", connected)
}

// BenchmarkTrustHandshake makes a session of the founder with a member that it
// admitted, and with one at the end of a line of ten, each admitted by the one before.
// Both ends run here.
func BenchmarkTrustHandshake(b *testing.B) {
	for _, length := range []int{1, 10} {
		b.Run(fmt.Sprintf("line=%d", length), func(b *testing.B) {
			l := newLine(b)
			founder := l.last
			for range length {
				l.admit()
			}
			founder.core.TakeControls(l.feeds[1:])
			for b.Loop() {
				l.meet(founder, l.last)
			}
			creds, err := credential.DecodeProof(l.last.core.Proof())
			l.ok(err)
			b.ReportMetric(float64(len(creds)), "credentials")
		})
	}
}
