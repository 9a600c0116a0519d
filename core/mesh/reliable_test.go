package mesh

import (
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
)

func TestReplayWindow(t *testing.T) {
	var w replayWindow
	for _, n := range []uint64{1, 2, 5, 4, 5000, 4999, 2953} {
		if w.seen(n) {
			t.Errorf("%d is new and counts as seen", n)
		}
		w.mark(n)
		if !w.seen(n) {
			t.Errorf("%d is forgotten", n)
		}
	}
	for _, n := range []uint64{1, 3, 2952} {
		if !w.seen(n) {
			t.Errorf("%d is older than the window and counts as new", n)
		}
	}
	if w.seen(4000) || w.seen(5001) {
		t.Error("numbers that were not marked count as seen")
	}
	w.mark(5000 + 10*replaySpan)
	if w.seen(5000+10*replaySpan-1) || !w.seen(5000) {
		t.Error("after a jump the window is wrong")
	}
}

func TestReceiver_orderOnceBounded(t *testing.T) {
	now := time.Unix(0, 0)
	r := newReceiver()
	for range 2 {
		if r.accept(packet{number: 2}, now) {
			t.Error("2 is not next")
		}
	}
	if r.gap != now {
		t.Error("the gap is not noticed")
	}
	if !r.accept(packet{number: 1}, now) {
		t.Error("1 is next")
	}
	if p, ok := r.following(now); !ok || p.number != 2 {
		t.Error("2 follows")
	}
	if _, ok := r.following(now); ok || r.ack() != 2 {
		t.Errorf("acknowledged %d", r.ack())
	}
	if r.accept(packet{number: 1}, now) || r.accept(packet{number: 2}, now) {
		t.Error("a frame counts twice")
	}
	for n := uint64(4); n < 4+2*reorderFrames; n++ {
		r.accept(packet{number: n, data: make([]byte, 4096)}, now)
	}
	if r.bytes > reorderBytes+2*maxPart || len(r.ahead) > reorderFrames {
		t.Errorf("%d frames, %d bytes are kept", len(r.ahead), r.bytes)
	}
}

func TestReceiver_messageTooLong(t *testing.T) {
	r := newReceiver()
	var err error
	for range MaxMessage/maxPart + 2 {
		if _, _, err = r.join(packet{more: true, data: make([]byte, maxPart)}); err != nil {
			break
		}
	}
	if !errs.Is(err, errs.PeerMisbehaved) {
		t.Errorf("an endless message: %v", err)
	}
}

func TestSender_priorities(t *testing.T) {
	s := newSender()
	now := time.Unix(0, 0)
	s.queue(make([]byte, 3*maxPart), true)
	take := func(bulkOK bool) *sendFrame {
		f := s.pick(windowRelayed, bulkOK)
		if f != nil {
			s.take(f, now)
		}
		return f
	}
	if f := take(true); f == nil || !f.bulk || !f.more {
		t.Fatal("the first part of the bulk")
	}
	s.queue([]byte("live"), false)
	s.control = append(s.control, packet{kind: pktOpen})
	if f := take(true); f.kind != pktOpen {
		t.Error("control is not first")
	}
	if f := take(true); f.bulk || f.more {
		t.Error("a live message waits for bulk")
	}
	if f := take(false); f != nil {
		t.Error("bulk went against the pace")
	}
	s.reroute(now)
	if f := take(false); f == nil || f.bulk {
		t.Error("what is not bulk is not repeated while bulk is held up")
	}
	for i := range 3 {
		if f := take(true); f == nil {
			t.Errorf("frame %d is missing", i)
		}
	}
	s.queue(make([]byte, MaxMessage), true)
	for take(true) != nil {
	}
	if s.bytes < windowRelayed || s.bytes > windowRelayed+maxPart+frameOverhead {
		t.Errorf("%d bytes are on the way", s.bytes)
	}
	if err := s.acked(s.next-1, false, now.Add(time.Second)); err != nil || s.bytes != 0 || len(s.frames) != 0 {
		t.Errorf("%v, %d bytes", err, s.bytes)
	}
	if s.srtt == 0 {
		t.Error("no round trip was measured")
	}
	if err := s.acked(s.next, false, now); !errs.Is(err, errs.PeerMisbehaved) {
		t.Errorf("acknowledging what was not sent: %v", err)
	}
}

func TestSender_recovery(t *testing.T) {
	s := newSender()
	now := time.Unix(0, 0)
	for range 5 {
		s.queue([]byte("x"), false)
		s.take(s.pick(windowRelayed, true), now)
	}
	for range dupAcks {
		if err := s.acked(0, true, now); err != nil {
			t.Fatal(err)
		}
	}
	f := s.pick(windowRelayed, true)
	if f == nil || f.number != 1 {
		t.Fatal("three repeated acknowledgements do not repeat the first frame")
	}
	s.take(f, now)
	_ = s.acked(3, false, now)
	if f := s.pick(windowRelayed, true); f == nil || f.number != 4 {
		t.Fatal("the next hole is not filled")
	} else {
		s.take(f, now)
	}
	s.tick(now.Add(s.rto - 1))
	if s.pick(windowRelayed, true) != nil {
		t.Error("repeated too early")
	}
	s.tick(now.Add(s.rto))
	if f := s.pick(windowRelayed, true); f == nil || f.number != 4 {
		t.Error("not repeated after its time")
	}
	if s.waiting(now.Add(time.Minute)) != time.Minute {
		t.Error("the stall is not measured")
	}
}

func TestPacer_shared(t *testing.T) {
	p := NewPacer()
	now := time.Unix(0, 0)
	if !p.may(0, now) {
		t.Error("an unknown relay has no limit")
	}
	p.limit(0, 1000, now)
	p.used(0, paceBurst, now)
	if p.may(0, now) || !p.may(1, now) {
		t.Error("the burst is used up at relay 0 only")
	}
	if !p.may(0, now.Add(time.Second)) {
		t.Error("tokens do not come back")
	}
}
