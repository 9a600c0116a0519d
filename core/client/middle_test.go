package client_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/signal/memsignal"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/transport"
)

// swarmOf opens a profile and gives what its device knows of a space: enough
// to meet the members.
func swarmOf(t *testing.T, p *profile, key id.SpaceKey) space.Secrets {
	t.Helper()
	return recordOf(t, p, "space/"+key.String()).Secrets
}

// recordOf reads the record of a space, or "halo", from the keyring.
func recordOf(t *testing.T, p *profile, name string) space.Record {
	t.Helper()
	ring, err := keys.OpenKeyring(context.Background(), testEnv(), p.keys, p.store)
	ok(t, err)
	raw, err := ring.Get(context.Background(), name)
	ok(t, err)
	rec, err := space.DecodeRecord(raw)
	ok(t, err)
	return rec
}

// thief proves itself with what others proved themselves with.
type thief struct {
	mu     sync.Mutex
	stolen [][]byte
	next   int
}

func (a *thief) Payload([32]byte) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.stolen) == 0 {
		return []byte{0x90}, nil
	}
	a.next++
	return a.stolen[a.next%len(a.stolen)], nil
}

func (a *thief) Verify(payload []byte, _ [32]byte) (mesh.PeerInfo, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stolen = append(a.stolen, bytes.Clone(payload))
	var info mesh.PeerInfo
	copy(info.Instance[:], testEnv().Bytes(16))
	return info, nil
}

func (a *thief) loot() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.stolen)
}

// TestRelay_I25_secretHolderInTheMiddle: who holds the swarm secret but no
// member's device stands between two members, who hear nobody else. It can
// run handshakes with both and repeat their proofs; nothing more comes of it.
func TestRelay_I25_secretHolderInTheMiddle(t *testing.T) {
	t.Parallel() // it waits for handshakes
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	host, a := owner(t, w, p)
	guest := w.person("Bob")
	b := join(t, a, guest)
	eventually(t, "both know both", func() bool { return online(a) == 2 && online(b) == 2 })
	ok(t, host.GoOffline(ctx))
	ok(t, guest.GoOffline(ctx))
	secrets := swarmOf(t, p, a.Key())

	evil := &thief{}
	middle := w.intrude(secrets.Gate(), evil)
	w.hub.SetFaults(memsignal.Faults{Tamper: func(f memsignal.Frame) []memsignal.Frame {
		if f.From == middle.self || f.To == middle.self {
			return []memsignal.Frame{f}
		}
		return nil // the members reach nobody but the middle
	}})
	ok(t, host.GoOnline(ctx))
	ok(t, guest.GoOnline(ctx))
	x := put(t, a, "title", "not for the middle")
	eventually(t, "both proofs are stolen and tried", func() bool { return evil.loot() >= 4 })
	if online(a) != 1 || online(b) != 1 || len(host.Network.Get().Peers)+len(guest.Network.Get().Peers) != 0 {
		t.Fatalf("a member took the middle for a peer: %d and %d online, sessions %v %v", online(a), online(b), host.Network.Get().Peers, guest.Network.Get().Peers)
	}
	if n := len(middle.events(mesh.Message)); n != 0 {
		t.Fatalf("the middle heard %d messages", n)
	}
	if record(b, x) != nil {
		t.Fatal("the object came through the middle")
	}
	// An honest relay again, the thief still there.
	w.hub.SetFaults(memsignal.Faults{})
	ok(t, host.GoOffline(ctx))
	ok(t, host.GoOnline(ctx))
	ok(t, guest.GoOffline(ctx))
	ok(t, guest.GoOnline(ctx))
	eventually(t, "the object arrives", func() bool { return record(b, x) != nil })
}

// notes is a log that is looked through.
type notes struct {
	env.NoLog
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(msg string, args []any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, msg+fmt.Sprintln(args...))
}

func (n *notes) Info(msg string, args ...any)  { n.add(msg, args) }
func (n *notes) Warn(msg string, args ...any)  { n.add(msg, args) }
func (n *notes) Error(msg string, args ...any) { n.add(msg, args) }

func (n *notes) has(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.lines {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// intercepted makes direct connections that end at somebody in between, who
// has a certificate of its own for each side and passes messages on.
type intercepted struct{ transport.Direct }

func (d intercepted) Open(o transport.DirectOptions) (transport.DirectConn, error) {
	c, err := d.Direct.Open(o)
	return &interceptedConn{c}, err
}

type interceptedConn struct{ transport.DirectConn }

func (c *interceptedConn) Binding() (local, remote [32]byte, err error) {
	local, remote, err = c.DirectConn.Binding()
	remote[0] ^= 0xff
	return local, remote, err
}

// TestRelay_I25_swappedFingerprints: somebody sits in the direct channel and
// was even taken for the peer by DTLS. The ends notice before a frame goes
// there, and stay with the relay.
func TestRelay_I25_swappedFingerprints(t *testing.T) {
	w := newWorld(t)
	w.wrap = func(d transport.Direct) transport.Direct { return intercepted{d} }
	log := &notes{}
	w.log = log
	host, guest := w.person("Ada"), w.person("Bob")
	a, err := host.CreateSpace(context.Background())
	ok(t, err)
	b := join(t, a, guest)
	eventually(t, "the channel is refused by name", func() bool { return log.has(errs.ChannelNotBound.Code()) })
	for n := range 20 {
		x, y := put(t, a, "title", fmt.Sprint("a ", n)), put(t, b, "title", fmt.Sprint("b ", n))
		eventually(t, "objects go both ways", func() bool { return record(b, x) != nil && record(a, y) != nil })
	}
	for _, c := range []*client.Client{host, guest} {
		for _, p := range c.Network.Get().Peers {
			if p.Path != mesh.Relayed {
				t.Fatalf("the path is %v", p.Path)
			}
		}
	}
}
