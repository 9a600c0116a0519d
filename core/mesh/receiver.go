package mesh

import (
	"time"

	"github.com/echospace/echospace/core/errs"
)

const (
	reorderFrames = 2 * windowFrames // how far ahead of the next frame one is kept
	reorderBytes  = 4 << 20          // and how much of them
)

// receiver puts numbered frames in order, each once.
type receiver struct {
	next    uint64            // number of the next frame to deliver
	ahead   map[uint64]packet // frames beyond it
	bytes   int
	gap     time.Time // when the wait for next began, zero if there is none
	partial [2][]byte // message being put together, live and bulk
}

func newReceiver() receiver { return receiver{next: 1, ahead: map[uint64]packet{}} }

// ack is the number up to which everything came.
func (r *receiver) ack() uint64 { return r.next - 1 }

// accept takes a frame that came and tells whether it was new and in order.
// A frame that came before, or is too far ahead to keep, is ignored; the
// sender repeats what is not acknowledged.
func (r *receiver) accept(p packet, now time.Time) bool {
	if p.number == r.next {
		r.next++
		r.gap = time.Time{}
		return true
	}
	if p.number < r.next || p.number-r.next >= reorderFrames || r.bytes+len(p.data) > reorderBytes {
		return false
	}
	if _, had := r.ahead[p.number]; had {
		return false
	}
	if r.gap.IsZero() {
		r.gap = now
	}
	r.ahead[p.number] = p
	r.bytes += len(p.data) + frameOverhead
	return false
}

// following gives the frame that is next in order, if it came already.
func (r *receiver) following(now time.Time) (packet, bool) {
	p, ok := r.ahead[r.next]
	if !ok {
		if len(r.ahead) > 0 && r.gap.IsZero() {
			r.gap = now
		}
		return packet{}, false
	}
	delete(r.ahead, r.next)
	r.bytes -= len(p.data) + frameOverhead
	r.next++
	r.gap = time.Time{}
	return p, true
}

// join adds a part to the message of its priority and gives the message when
// it is whole. The message owns its bytes.
func (r *receiver) join(p packet) ([]byte, bool, error) {
	i := 0
	if p.bulk {
		i = 1
	}
	if len(r.partial[i])+len(p.data) > MaxMessage {
		return nil, false, errs.New("mesh.session", errs.PeerMisbehaved, "the peer's message is longer than %d bytes", MaxMessage)
	}
	if p.more {
		r.partial[i] = append(r.partial[i], p.data...)
		return nil, false, nil
	}
	msg := append(r.partial[i], p.data...)
	r.partial[i] = nil
	if msg == nil {
		msg = []byte{}
	}
	return msg, true, nil
}

const replaySpan = 2048 // packets

// replayWindow tells packet numbers that were seen, as RFC 4303, section
// 3.4.3 does: a ring of bits below the highest number. What is older than the
// ring counts as seen.
type replayWindow struct {
	highest uint64
	bits    [replaySpan / 64]uint64
}

// seen tells whether n was marked, or is too old to tell. Numbers start at 1.
func (w *replayWindow) seen(n uint64) bool {
	if n > w.highest {
		return false
	}
	if w.highest-n >= replaySpan {
		return true
	}
	return w.bits[n/64%uint64(len(w.bits))]&(1<<(n%64)) != 0
}

// mark notes n, which was authenticated.
func (w *replayWindow) mark(n uint64) {
	if n > w.highest {
		for k := w.highest + 1; k < n && k-w.highest <= replaySpan; k++ {
			w.bits[k/64%uint64(len(w.bits))] &^= 1 << (k % 64)
		}
		w.highest = n
	}
	w.bits[n/64%uint64(len(w.bits))] |= 1 << (n % 64)
}
