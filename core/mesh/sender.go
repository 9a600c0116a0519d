package mesh

import (
	"time"

	"github.com/echospace/echospace/core/errs"
)

const (
	windowRelayed = 256 << 10 // unacknowledged bytes on the relayed path
	windowDirect  = 1 << 20   // and on the direct one
	windowFrames  = 2048      // unacknowledged frames on either
	frameOverhead = 32        // what a frame counts beside its data
	minRTO        = time.Second
	firstRTO      = 3 * time.Second
	maxRTO        = 8 * time.Second
	dupAcks       = 3 // as in RFC 5681, section 3.2
)

// sendFrame is a numbered frame that is not acknowledged yet.
type sendFrame struct {
	packet
	sentAt time.Time
	sent   bool // at least once
	resent bool // more than once: gives no round trip (Karn's algorithm)
	due    bool // to be sent, again if it was
}

func (f *sendFrame) size() int { return len(f.data) + frameOverhead }

// outMessage is a queued message; rest is what has no frame yet.
type outMessage struct {
	rest []byte
}

// sender numbers frames, keeps each until it is acknowledged, and says which
// to send next. A frame's number and content never change.
type sender struct {
	next     uint64 // number of the next new frame; the first is 1
	frames   []*sendFrame
	anyDue   bool // some frame may be due
	bytes    int
	control  []packet // new control frames, ahead of messages
	live     []outMessage
	bulk     []outMessage
	queued   int
	part     int // longest part, zero means maxPart
	srtt     time.Duration
	rttvar   time.Duration
	rto      time.Duration
	rtoAt    time.Time // zero when nothing is unacknowledged
	moved    time.Time // when an acknowledgement last moved on, or waiting began
	dups     int
	recovery uint64 // frames up to this one are being recovered
}

func newSender() sender { return sender{next: 1, rto: firstRTO} }

// queue adds a message, whose bytes it keeps.
func (s *sender) queue(msg []byte, bulk bool) {
	s.queued += len(msg)
	if bulk {
		s.bulk = append(s.bulk, outMessage{rest: msg})
		return
	}
	s.live = append(s.live, outMessage{rest: msg})
}

// pick gives the next frame to send, or nil: first what is due again, in
// order, then new frames within the window: control, live, bulk. Without
// bulkOK it passes over bulk. take must follow.
func (s *sender) pick(window int, bulkOK bool) *sendFrame {
	if s.anyDue {
		s.anyDue = false
		for _, f := range s.frames {
			if !f.due {
				continue
			}
			s.anyDue = true
			if bulkOK || !f.bulk {
				return f
			}
		}
	}
	if len(s.frames) >= windowFrames && len(s.control) == 0 {
		return nil
	}
	p, ok := s.fresh(window, bulkOK)
	if !ok {
		return nil
	}
	p.number = s.next
	s.next++
	f := &sendFrame{packet: p}
	s.frames = append(s.frames, f)
	s.bytes += f.size()
	return f
}

// fresh takes a new frame off the queues. Live messages may use twice the
// window, so that bulk on its way does not hold them up.
func (s *sender) fresh(window int, bulkOK bool) (packet, bool) {
	switch {
	case len(s.control) > 0:
		p := s.control[0]
		s.control = s.control[1:]
		return p, true
	case len(s.live) > 0 && s.bytes < 2*window:
		return s.cut(&s.live, false), true
	case len(s.bulk) > 0 && s.bytes < window && bulkOK:
		return s.cut(&s.bulk, true), true
	}
	return packet{}, false
}

// again makes a frame due.
func (s *sender) again(f *sendFrame) {
	f.due = true
	s.anyDue = true
}

// cut takes the next part off the first message of q.
func (s *sender) cut(q *[]outMessage, bulk bool) packet {
	limit := s.part
	if limit <= 0 || limit > maxPart {
		limit = maxPart
	}
	m := &(*q)[0]
	p := packet{kind: pktMessage, bulk: bulk, data: m.rest}
	if len(m.rest) > limit {
		p.data, p.more = m.rest[:limit], true
		m.rest = m.rest[limit:]
	} else {
		(*q)[0] = outMessage{}
		*q = (*q)[1:]
	}
	s.queued -= len(p.data)
	return p
}

// take notes that f is being sent.
func (s *sender) take(f *sendFrame, now time.Time) {
	f.due = false
	f.resent = f.sent
	f.sent = true
	f.sentAt = now
	if s.rtoAt.IsZero() {
		s.rtoAt = now.Add(s.rto)
		s.moved = now
	}
}

// acked notes that the other side has everything up to n. pure tells that the
// acknowledgement came alone, which makes a repeated one a sign of loss.
func (s *sender) acked(n uint64, pure bool, now time.Time) error {
	if n >= s.next {
		return errs.New("mesh.session", errs.PeerMisbehaved, "the peer acknowledged frame %d, of which %d were sent", n, s.next-1)
	}
	k := 0
	for k < len(s.frames) && s.frames[k].number <= n {
		k++
	}
	if k == 0 {
		if pure && len(s.frames) > 0 && s.frames[0].number == n+1 {
			s.duplicate()
		}
		return nil
	}
	if last := s.frames[k-1]; last.sent && !last.resent {
		s.measure(now.Sub(last.sentAt))
	}
	for _, f := range s.frames[:k] {
		s.bytes -= f.size()
	}
	clear(s.frames[:k])
	s.frames = s.frames[k:]
	s.dups = 0
	s.moved = now
	s.rto = s.timeout()
	s.rtoAt = time.Time{}
	if len(s.frames) > 0 {
		s.rtoAt = now.Add(s.rto)
		// RFC 6582's partial acknowledgement: the next hole is known by now.
		if s.frames[0].number <= s.recovery {
			s.again(s.frames[0])
		}
	}
	return nil
}

func (s *sender) duplicate() {
	if s.dups++; s.dups == dupAcks && s.frames[0].sent {
		s.recover()
	}
}

// recover sends the oldest frame again, and each next hole as it shows.
func (s *sender) recover() {
	s.again(s.frames[0])
	s.recovery = s.next - 1
}

// measure takes a round trip into the estimate of RFC 6298, section 2.
func (s *sender) measure(rtt time.Duration) {
	if s.srtt == 0 {
		s.srtt, s.rttvar = rtt, rtt/2
		return
	}
	s.rttvar += ((s.srtt - rtt).Abs() - s.rttvar) / 4
	s.srtt += (rtt - s.srtt) / 8
}

func (s *sender) timeout() time.Duration {
	if s.srtt == 0 {
		return firstRTO
	}
	return min(max(s.srtt+4*s.rttvar, minRTO), maxRTO)
}

// tick sends the oldest frame again when its time is over.
func (s *sender) tick(now time.Time) {
	if len(s.frames) == 0 || s.rtoAt.IsZero() || now.Before(s.rtoAt) {
		return
	}
	s.recover()
	s.rto = min(2*s.rto, maxRTO)
	s.rtoAt = now.Add(s.rto)
}

// reroute makes every unacknowledged frame due again, for a new path.
func (s *sender) reroute(now time.Time) {
	for _, f := range s.frames {
		s.again(f)
	}
	s.dups, s.recovery = 0, 0
	s.rto = s.timeout()
	if len(s.frames) > 0 {
		s.rtoAt = now.Add(s.rto)
		s.moved = now
	}
}

// waiting tells how long nothing was acknowledged that should be.
func (s *sender) waiting(now time.Time) time.Duration {
	if len(s.frames) == 0 || s.rtoAt.IsZero() {
		return 0
	}
	return now.Sub(s.moved)
}
