package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/signal/memsignal"
)

// frames are what a relay saw of one way, by topic and ends.
type frames map[[2]id.PeerID][][]byte

// TestRelay_I25_tampers lets the relay do its worst with an invitation and the
// session after it, by seed: what comes through is what was said, and once the
// relay is honest again both sides are equal.
func TestRelay_I25_tampers(t *testing.T) {
	cases := map[string]func(rng *rand.Rand, seen frames, f memsignal.Frame) []memsignal.Frame{
		"edit": func(rng *rand.Rand, _ frames, f memsignal.Frame) []memsignal.Frame {
			if rng.IntN(8) == 0 {
				f.Data = bytes.Clone(f.Data)
				f.Data[rng.IntN(len(f.Data))] ^= 1 << rng.IntN(8)
			}
			return []memsignal.Frame{f}
		},
		"replay": func(rng *rand.Rand, seen frames, f memsignal.Frame) []memsignal.Frame {
			old := f
			list := seen[[2]id.PeerID{f.From, f.To}]
			old.Data = bytes.Clone(list[rng.IntN(len(list))])
			return []memsignal.Frame{f, old}
		},
		"drop": func(rng *rand.Rand, _ frames, f memsignal.Frame) []memsignal.Frame {
			if rng.IntN(8) == 0 {
				return nil
			}
			return []memsignal.Frame{f}
		},
		// What one said is given out as said by the other, or earlier.
		"substitute": func(rng *rand.Rand, seen frames, f memsignal.Frame) []memsignal.Frame {
			if rng.IntN(8) == 0 {
				ends := [2]id.PeerID{f.From, f.To}
				if rng.IntN(2) == 0 {
					ends[0], ends[1] = ends[1], ends[0]
				}
				if list := seen[ends]; len(list) > 0 {
					f.Data = bytes.Clone(list[rng.IntN(len(list))])
				}
			}
			return []memsignal.Frame{f}
		},
		"cut": func(rng *rand.Rand, _ frames, f memsignal.Frame) []memsignal.Frame {
			if rng.IntN(8) == 0 {
				f.Data = f.Data[:rng.IntN(len(f.Data))]
			}
			return []memsignal.Frame{f}
		},
		"reorder": nil, // the hub's own fault
	}
	for name, attack := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait for resends
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			w := newWorld(t)
			w.direct = false
			host, guest := w.person("Ada"), w.person("Bob")
			a, err := host.CreateSpace(context.Background())
			ok(t, err)
			faults := memsignal.Faults{Reorder: 0.2}
			if attack != nil {
				rng, seen := rand.New(rand.NewPCG(seed, 0)), frames{}
				faults = memsignal.Faults{Tamper: func(f memsignal.Frame) []memsignal.Frame {
					ends := [2]id.PeerID{f.From, f.To}
					seen[ends] = append(seen[ends], bytes.Clone(f.Data))
					return attack(rng, seen, f)
				}}
			}
			w.hub.SetFaults(faults)
			b := join(t, a, guest)
			said := map[id.ObjectID]string{}
			for n := range 40 {
				sp, text := a, fmt.Sprint("of a ", n)
				if n%2 == 1 {
					sp, text = b, fmt.Sprint("of b ", n)
				}
				said[put(t, sp, "title", text)] = text
				ok(t, sp.Flush(context.Background(), client.FlushStore))
			}
			w.hub.SetFaults(memsignal.Faults{})
			for _, c := range []*client.Client{host, guest} {
				c.Wake() // else they wait out the pauses after what they took for misbehaviour
			}
			for _, sp := range []*client.Space{a, b} {
				eventually(t, "all objects are there", func() bool { return count(sp) >= len(said) })
				if n := count(sp); n != len(said) {
					t.Fatalf("%d objects, %d were made", n, len(said))
				}
				for v, text := range said {
					if !holds(record(sp, v), text) {
						t.Fatalf("an object that says %q reads %q", text, record(sp, v))
					}
				}
				if n := len(sp.Members.Get()); n != 2 {
					t.Fatalf("%d members", n)
				}
			}
		})
	}
}

// encodings are the forms in which a text could be found among bytes.
func encodings(text []byte) [][]byte {
	list := [][]byte{text}
	for shift := range 3 {
		s := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), text...))
		// The first and last characters depend on what is around it.
		list = append(list, []byte(s[4:len(s)-4]))
	}
	return list
}

// TestRelay_I25_reads looks for contents, names, codes and keys among all that
// the relay carried.
func TestRelay_I25_reads(t *testing.T) {
	const canary = "canary-6f1d8e2b-canary"
	w := newWorld(t)
	w.direct = false
	var mu sync.Mutex
	var carried []byte
	w.hub.SetFaults(memsignal.Faults{Tamper: func(f memsignal.Frame) []memsignal.Frame {
		mu.Lock()
		defer mu.Unlock()
		carried = append(carried, f.Data...)
		return []memsignal.Frame{f}
	}})
	host, guest := w.person("Ada "+canary), w.person("Bob "+canary)
	a, err := host.CreateSpace(context.Background())
	ok(t, err)
	inv, err := a.CreateInvitation(client.InvitationOptions{MultiUse: true})
	ok(t, err)
	v := inv.Value.Get()
	g, err := guest.AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	code(t, guess(g, v.AuthCode), errs.WrongAuthCode)
	ok(t, g.Authenticate(context.Background(), v.AuthCode))
	b := guest.Space(a.Key())
	heard := make(chan string, 1)
	b.Listen(canary, func(m client.ChannelMessage) { heard <- string(m.Data) })
	eventually(t, "connected", func() bool { return online(a) == 2 && online(b) == 2 })
	ok(t, a.PostMessage(t.Context(), canary, []byte("message "+canary)))
	next(t, heard)
	x := put(t, a, "key-"+canary, strings.Repeat("value "+canary, 20))
	eventually(t, "b has it", func() bool { return holds(record(b, x), canary) })

	mu.Lock()
	defer mu.Unlock()
	if len(carried) < 1000 {
		t.Fatalf("the relay carried %d bytes: the test proves nothing", len(carried))
	}
	key, ada, bob := a.Key(), host.Identity.Get(), guest.Identity.Get()
	for name, secret := range map[string][]byte{
		"canary": []byte(canary), "auth code": []byte(v.AuthCode), "space key": key[:], "swarm key": v.SwarmKey[:],
		"host's identity": ada.Key[:], "guest's identity": bob.Key[:], "host's device": ada.Device[:], "guest's device": bob.Device[:],
	} {
		for _, form := range encodings(secret) {
			if bytes.Contains(carried, form) {
				t.Errorf("the relay has seen the %s", name)
			}
		}
	}
}

// TestSpace_N12_garbage: a stranger under the topic sends what comes to mind;
// the members do not notice.
func TestSpace_N12_garbage(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	_, a := owner(t, w, p)
	b := join(t, a, w.person("Bob"))
	topic := swarmOf(t, p, a.Key()).Gate().Topic
	ctx, cancel := context.WithCancel(ctx)
	rng := rand.New(rand.NewPCG(1, 2))
	var seen [][]byte
	w.hub.SetFaults(memsignal.Faults{Tamper: func(f memsignal.Frame) []memsignal.Frame {
		if len(seen) < 100 {
			seen = append(seen, bytes.Clone(f.Data))
		}
		return []memsignal.Frame{f}
	}})
	rv, err := w.hub.Signaler().Join(ctx, topic)
	ok(t, err)
	var stranger sync.WaitGroup
	stranger.Go(func() {
		for {
			ev, err := rv.Recv(ctx)
			if err != nil {
				return
			}
			if ev.Type != signal.Joined {
				continue
			}
			for n := range 300 {
				junk := make([]byte, rng.IntN(signal.MaxFrame))
				for i := range junk {
					junk[i] = byte(rng.Uint32())
				}
				if n%3 == 0 && len(junk) > 0 {
					junk[0] = byte(n) // the kinds of frames
				}
				if rv.Send(ctx, ev.Peer, junk[:min(len(junk), 1<<(n%17))]) != nil {
					return
				}
			}
		}
	})
	for n := range 20 {
		x, y := put(t, a, "title", fmt.Sprint("a ", n)), put(t, b, "title", fmt.Sprint("b ", n))
		eventually(t, "objects go both ways", func() bool { return record(b, x) != nil && record(a, y) != nil })
	}
	cancel()
	_ = rv.Close()
	stranger.Wait()
	if online(a) != 2 || online(b) != 2 {
		t.Fatal("the members lost each other")
	}
}

// TestSpace_N14_pathChanges breaks the direct path again and again during a
// transfer.
func TestSpace_N14_pathChanges(t *testing.T) {
	const objects = 1000
	w, ctx := newWorld(t), context.Background()
	host, guest := w.person("Ada"), w.person("Bob")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	b := join(t, a, guest)
	eventually(t, "direct", func() bool {
		peers := host.Network.Get().Peers
		return len(peers) == 1 && peers[0].Path == mesh.Direct
	})
	broken := 0
	for n := range objects {
		put(t, a, "title", fmt.Sprint("a ", n, " ", strings.Repeat("x", 500)))
		if n%100 == 50 {
			ok(t, a.Flush(ctx, client.FlushStore))
			if w.net.Open() > 0 {
				broken++
			}
			w.net.KillAll()
		}
	}
	eventually(t, "all arrive", func() bool { return count(b) == objects })
	if count(a) != objects || !bytes.Equal(contents(t, a), contents(t, b)) {
		t.Fatal("the two sides differ")
	}
	if broken == 0 {
		t.Fatal("no direct path was broken: the test proves nothing")
	}
}
