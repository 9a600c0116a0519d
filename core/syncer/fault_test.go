package syncer

import (
	"testing"

	"github.com/echospace/echospace/core/feed"
)

// wants counts the Wants among messages.
func wants(messages []Message) (n int) {
	for _, m := range messages {
		if v, err := decode(m.Data); err == nil {
			if _, ok := v.(wantMessage); ok {
				n++
			}
		}
	}
	return n
}

// TestUnsettledRun: a run that the caller holds, since its feed is not admitted
// yet, is asked for again, but ever more seldom.
func TestUnsettledRun(t *testing.T) {
	f := newFleet(t, 11, 2)
	a, b := f.nodes[0], f.nodes[1]
	h := a.addFeed(feed.Data)
	a.write(h, 3, 10)
	f.connect(a, b)
	n := 0
	var held []Run
	for range 3600 {
		f.now += 1000
		a.sync.Tick(f.now)
		b.sync.Tick(f.now)
		a.sync.Credit(1, 1<<20)
		out := a.sync.Ready()
		for _, m := range out.Messages {
			if err := b.sync.Step(1, m.Data); err != nil {
				t.Fatal(err)
			}
		}
		a.reads = append(a.reads, out.Reads...)
		a.act(10)
		out = b.sync.Ready()
		n += wants(out.Messages)
		for _, m := range out.Messages {
			if err := a.sync.Step(1, m.Data); err != nil {
				t.Fatal(err)
			}
		}
		held = append(held, out.Runs...)
	}
	if n < 2 || n > 30 || len(held) != n {
		t.Fatalf("%d wants and %d runs in an hour", n, len(held))
	}
	for _, run := range held { // admitted at last
		b.take(run)
	}
	f.settle()
	f.equal()
}

// TestMissingRecord_T04: a peer that lost a record gives what it can, and
// another one heals the rest.
func TestMissingRecord_T04(t *testing.T) {
	f := newFleet(t, 12, 3)
	a, b, c := f.nodes[0], f.nodes[1], f.nodes[2]
	h := a.addFeed(feed.Data)
	a.write(h, 50, 3000)
	f.connect(a, b)
	f.settle()
	f.sessions[0].end()
	f.sessions = nil
	path, _ := a.logs[h.ID()].Path(feed.Ref{Feed: h.ID()}, a.logs[h.ID()].Heads()[0])
	lost := path[30]
	raw := a.raw[lost]
	delete(a.raw, lost)
	f.connect(a, c)
	f.settle()
	if st := c.sync.Status()[0]; st.Behind == 0 {
		t.Fatalf("Status: %+v although a record is missing", st)
	}
	f.connect(b, c)
	f.settle()
	a.raw[lost] = raw // as the healing would
	f.equal()
}

// TestPushFollowsBulk: a fresh block is pushed only to a peer that holds what
// it follows, however much else is on the way.
func TestPushFollowsBulk(t *testing.T) {
	f := newFleet(t, 13, 2)
	a, b := f.nodes[0], f.nodes[1]
	h := a.addFeed(feed.Data)
	a.write(h, 300, 3000)
	f.connect(a, b)
	for range 4 {
		f.flush()
		f.deliver(f.sessions[0], 3)
		a.act(1)
		a.write(h, 1, 10)
	}
	f.settle()
	f.equal()
}
