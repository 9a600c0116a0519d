package syncer

import (
	"testing"

	"github.com/echospace/echospace/core/feed"
)

// sent gives the messages of one kind that a syncer has for its peer.
func sentOf[M any](t *testing.T, out Output) (list []M) {
	t.Helper()
	for _, m := range out.Messages {
		d, err := decode(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := d.(M); ok {
			list = append(list, d)
		}
	}
	return list
}

// TestServe_repacks: a record that stands for several places is sent if the want
// takes repacks, and the answer goes on, and ends, behind its last place.
func TestServe_repacks(t *testing.T) {
	fl := newFleet(t, 1, 1)
	n := fl.nodes[0]
	h := n.addFeed(feed.Data)
	n.write(h, 10, 10)
	log := n.logs[h.ID()]
	path, _ := log.Path(feed.Ref{Feed: h.ID()}, log.Heads()[0])
	at := func(seq int) feed.Ref { return path[seq-1] }
	for _, c := range []struct {
		name      string
		to        int
		ends      []int // of the records that are read
		want      int   // the last place that is sent
		nack      bool
		noRepacks bool
	}{
		{name: "one and two blocks behind it", to: 10, ends: []int{8, 9, 10}, want: 10},
		{name: "one that ends behind the want", to: 5, ends: []int{8}, want: 8},
		{name: "two", to: 10, ends: []int{4, 10}, want: 10},
		{name: "one, and the next is not there", to: 10, ends: []int{4}, want: 4, nack: true},
		{name: "none is there", to: 10, ends: []int{}, nack: true},
		{name: "plain blocks", to: 3, ends: []int{1, 2, 3}, want: 3, noRepacks: true},
	} {
		s := New(Options{})
		s.AddFeed(h, log)
		s.AddPeer(1, PeerOptions{})
		flags := uint64(wantRepacks)
		if c.noRepacks {
			flags = 0
		}
		for _, m := range [][]byte{encodeHello(), wantMessage{Feed: h.ID(), Flags: flags, To: at(c.to), Points: []feed.Ref{{Feed: h.ID()}}}.encode()} {
			if err := s.Step(1, m); err != nil {
				t.Fatal(err)
			}
		}
		s.Credit(1, 1<<20)
		reads := s.Ready().Reads
		if len(reads) != 1 || reads[0].Repacks == c.noRepacks || reads[0].To != at(c.to) {
			t.Fatalf("%s: reads %+v", c.name, reads)
		}
		blocks, ends := [][]byte{}, []feed.Ref{}
		for _, seq := range c.ends {
			blocks, ends = append(blocks, n.raw[at(seq)]), append(ends, at(seq))
		}
		s.ReadDone(reads[0], blocks, ends)
		out := s.Ready()
		sent := 0
		last := false
		for _, m := range sentOf[runMessage](t, out) {
			sent, last = int(m.To.Seq), m.Flags&runLast != 0
		}
		if nack := len(sentOf[nackMessage](t, out)) > 0; sent != c.want || nack != c.nack || last == nack && sent > 0 {
			t.Errorf("%s: sent up to %d, ended %v, refused %v", c.name, sent, last, nack)
		}
	}
}

// TestWant_plainOnly: repacks are asked for until one came that is of no use.
func TestWant_plainOnly(t *testing.T) {
	fl := newFleet(t, 1, 1)
	n := fl.nodes[0]
	h := n.addFeed(feed.Data)
	n.write(h, 3, 10)
	head := n.logs[h.ID()].Heads()[0]
	s := New(Options{})
	s.AddPeer(1, PeerOptions{})
	for _, m := range [][]byte{encodeHello(), haveMessage{Last: true, Entries: []haveEntry{{h.ID(), feed.Data, []feed.Ref{head}}}}.encode()} {
		if err := s.Step(1, m); err != nil {
			t.Fatal(err)
		}
	}
	wants := sentOf[wantMessage](t, s.Ready())
	if len(wants) != 1 || wants[0].Flags != wantHeader|wantRepacks {
		t.Fatalf("wants %+v", wants)
	}
	m := runMessage{Feed: h.ID(), Flags: runLast, Header: h.Encode(), To: head, Blocks: [][]byte{n.raw[head]}}
	if err := s.Step(1, m.encode()); err != nil {
		t.Fatal(err)
	}
	if runs := s.Ready().Runs; len(runs) != 1 {
		t.Fatalf("runs %+v", runs)
	}
	s.PlainOnly(h.ID())
	s.Rejected(1, h.ID())
	s.Tick(1)
	s.Ready()
	s.Tick(10_000)
	s.want(s.feeds[h.ID()])
	wants = sentOf[wantMessage](t, s.Ready())
	if len(wants) != 1 || wants[0].Flags != 0 {
		t.Fatalf("then wants %+v", wants)
	}
}
