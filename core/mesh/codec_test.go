package mesh

import (
	"bytes"
	"encoding/hex"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// packets are one of each kind.
func packets() map[string]packet {
	return map[string]packet{
		"ack":     {kind: pktAck, ack: 7},
		"ping":    {kind: pktPing, ack: 7, token: 300},
		"pong":    {kind: pktPong, ack: math.MaxUint64, token: 1},
		"bye":     {kind: pktBye, token: uint64(errs.Closed)},
		"confirm": {kind: pktConfirm, mac: [32]byte{1, 2, 3}},
		"live":    {kind: pktMessage, ack: 1, number: 1, data: []byte("hello")},
		"bulk":    {kind: pktMessage, ack: 1, number: 70_000, bulk: true, more: true, data: []byte{}},
		"open":    {kind: pktOpen, number: 2, attempt: 1},
		"signal":  {kind: pktSignal, number: 3, attempt: 1, data: []byte("sdp")},
		"close":   {kind: pktClose, number: 4, attempt: 1, final: true},
		"address": {kind: pktAddress, number: 5, ids: []id.PeerID{{1}, {2}}},
	}
}

// TestCodec_golden holds every encoding against testdata/golden.txt.
func TestCodec_golden(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			want[name] = value
		}
	}
	got := map[string][]byte{}
	for name, p := range packets() {
		got["packet-"+name] = p.append(nil)
	}
	shake := envelope{kind: envHandshake, tag: tag{1, 2}, step: 2, data: []byte("noise")}
	sealed := envelope{kind: envSealed, tag: tag{1, 2}, number: 65_536, data: []byte("sealed")}
	h := hello{order: 1_700_000_000_000_000, direct: true, auth: []byte("proof")}
	got["envelope-handshake"], got["envelope-sealed"], got["hello"] = shake.append(nil), sealed.append(nil), h.append(nil)
	got["gossip"] = appendGossip(gossipID{9}, 8, []byte("payload"))
	got["prologue"] = prologue(id.Topic{5})
	for name, b := range got {
		if hex.EncodeToString(b) != want[name] {
			t.Errorf("%s %x\n want %s", name, b, want[name])
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d golden values for %d encodings", len(want), len(got))
	}
}

func TestCodec_roundTrip(t *testing.T) {
	for name, p := range packets() {
		got, err := decodePacket(p.append(nil))
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCodec_refuses(t *testing.T) {
	future := append(wire.AppendUint(wire.AppendUint(wire.AppendArray(nil, 5), envHandshake), version+1), 0, 0, 0)
	if _, err := decodeEnvelope(future); !errs.Is(err, errs.VersionUnsupported) {
		t.Errorf("newer version: %v", err)
	}
	zero := envelope{kind: envHandshake, data: []byte("x")}
	last := envelope{kind: envSealed, number: math.MaxUint64}
	for name, b := range map[string][]byte{"step 0": zero.append(nil), "last nonce": last.append(nil), "kind": wire.AppendUint(wire.AppendArray(nil, 1), 9)} {
		if _, err := decodeEnvelope(b); !errs.Is(err, errs.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	none := packet{kind: pktOpen}
	long := packet{kind: pktMessage, number: 1, data: make([]byte, maxPart+1)}
	many := packet{kind: pktAddress, number: 1, ids: make([]id.PeerID, maxAddresses+1)}
	for name, p := range map[string]packet{"frame 0": none, "long part": long, "many ids": many, "kind": {kind: 99}} {
		if _, err := decodePacket(p.append(nil)); !errs.Is(err, errs.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzPacket(f *testing.F) {
	for _, p := range packets() {
		f.Add(p.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := decodePacket(b); err == nil && !bytes.Equal(p.append(nil), b) {
			t.Errorf("%x has another encoding", b)
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	e := envelope{kind: envHandshake, step: 1, data: []byte("x")}
	f.Add(e.append(nil))
	e = envelope{kind: envSealed, number: 3, data: []byte("x")}
	f.Add(e.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := decodeEnvelope(b); err == nil && !bytes.Equal(e.append(nil), b) {
			t.Errorf("%x has another encoding", b)
		}
	})
}

func FuzzHello(f *testing.F) {
	h := hello{order: 5, direct: true, auth: []byte("proof")}
	f.Add(h.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHello(b); err == nil && !bytes.Equal(h.append(nil), b) {
			t.Errorf("%x has another encoding", b)
		}
	})
}

func FuzzGossip(f *testing.F) {
	f.Add(appendGossip(gossipID{1}, 3, []byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, hops, payload, err := decodeGossip(b); err == nil && !bytes.Equal(appendGossip(v, hops, payload), b) {
			t.Errorf("%x has another encoding", b)
		}
	})
}

// FuzzSession feeds a standing session what its peer could seal: sequences of
// packets, each with a length byte in front. It must neither panic nor deliver
// after its end. Coverage of a run varies with the order of maps, which makes
// minimising slow: fuzz with -fuzzminimizetime=1x.
func FuzzSession(f *testing.F) {
	var all []byte
	for _, p := range packets() {
		b := p.append(nil)
		all = append(append(all, byte(len(b))), b...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newWorld(t, 1)
		a, c := w.add(nodeOptions{}), w.add(nodeOptions{})
		w.run(300 * time.Millisecond)
		x := a.swarm.sessions[a.to(c)]
		if x == nil {
			t.Fatal("not connected")
		}
		for len(b) > 0 {
			n := min(int(b[0]), len(b)-1)
			if p, err := decodePacket(b[1 : 1+n]); err == nil && p.kind != pktConfirm && !x.ended {
				x.receive(p, false)
			}
			b = b[1+n:]
		}
		a.swarm.Tick(w.now.Add(time.Second))
		over := false
		for _, e := range a.swarm.Ready().Events {
			if over && e.Type == Message {
				t.Error("a message after the end")
			}
			over = over || e.Type == Disconnected
		}
	})
}
