package invite

import (
	"math"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
	"github.com/flynn/noise"
)

// MaxMessage is the longest payload or introduction, in bytes.
const MaxMessage = 1 << 20

const (
	pieceSize    = 48 << 10 // of a message in one frame
	maxEncoded   = MaxMessage + 1024
	window       = 8 // pieces on their way at a time
	resendFirst  = time.Second
	resendMost   = 4 * time.Second
	pingEvery    = 5 * time.Second
	silenceLimit = 15 * time.Second
	sleepGap     = 10 * time.Second // a longer step of the clock was a sleep
)

// channel carries whole messages, once and in order, sealed, over frames that
// may be lost, repeated or reordered (go-back-n). Each frame is sealed under a
// nonce of its own that only grows, so a replay is nothing but a lost frame.
type channel struct {
	kind      frameKind // of what this side sends
	tag       [tagSize]byte
	out, in   noise.Cipher
	nonceOut  uint64 // last used
	nonceIn   uint64 // highest seen
	queue     []piece
	acked     uint64 // pieces that the other side has
	sent      int    // pieces of queue that are on their way
	received  uint64 // pieces that this side has
	partial   []byte
	ackDue    bool
	resendAt  time.Time
	wait      time.Duration
	lastSent  time.Time
	lastHeard time.Time
}

// piece is a part of a message.
type piece struct {
	more bool // the message goes on
	body []byte
}

func newChannel(s *secured, guest bool, tag [tagSize]byte, now time.Time) *channel {
	c := &channel{kind: frameHost, tag: tag, out: s.host, in: s.guest, wait: resendFirst, lastSent: now, lastHeard: now}
	if guest {
		c.kind, c.out, c.in = frameGuest, s.guest, s.host
	}
	return c
}

// push queues m for sending.
func (c *channel) push(m message) {
	b := m.encode()
	for len(b) > pieceSize {
		c.queue = append(c.queue, piece{more: true, body: b[:pieceSize]})
		b = b[pieceSize:]
	}
	c.queue = append(c.queue, piece{body: b})
}

// idle reports whether everything pushed has arrived.
func (c *channel) idle() bool { return len(c.queue) == 0 }

// silent reports whether nothing was heard for too long.
func (c *channel) silent(now time.Time) bool { return now.Sub(c.lastHeard) >= silenceLimit }

// ad ties a sealed frame to its session and direction.
func (c *channel) ad(kind frameKind) []byte { return append([]byte{byte(kind)}, c.tag[:]...) }

// receive opens a frame and gives the message that it completes, if any. A
// frame that does not open or is older than one that did is an
// errs.DecryptFailed and changes nothing; an errs.PeerMisbehaved or
// errs.Malformed is the doing of the other side itself.
func (c *channel) receive(f frame, now time.Time) ([]byte, error) {
	const op = "invite.Frame"
	if f.nonce <= c.nonceIn {
		return nil, errs.New(op, errs.DecryptFailed, "frame %d was repeated or overtaken by %d", f.nonce, c.nonceIn)
	}
	plain, err := c.in.Decrypt(nil, f.nonce, c.ad(f.kind), f.body)
	if err != nil {
		return nil, errs.New(op, errs.DecryptFailed, "a sealed frame does not open")
	}
	c.nonceIn, c.lastHeard = f.nonce, now
	r := wire.NewReader(plain)
	r.Array(4)
	seq, ack := r.Uint(math.MaxInt64), r.Uint(math.MaxInt64)
	p := piece{more: r.Bool(), body: r.Bytes(pieceSize)}
	if err := r.Done(op); err != nil {
		return nil, err
	}
	if err := c.acknowledge(ack, now); err != nil {
		return nil, err
	}
	if seq == 0 {
		return nil, nil
	}
	c.ackDue = true
	if seq != c.received+1 {
		return nil, nil // had it already, or one before it was lost
	}
	c.received++
	return c.assemble(p)
}

func (c *channel) assemble(p piece) ([]byte, error) {
	if len(c.partial)+len(p.body) > maxEncoded {
		return nil, errs.New("invite.Frame", errs.PeerMisbehaved, "a message over %d bytes", maxEncoded)
	}
	c.partial = append(c.partial, p.body...)
	if p.more {
		return nil, nil
	}
	m := c.partial
	c.partial = nil
	return m, nil
}

// acknowledge forgets the pieces that have arrived.
func (c *channel) acknowledge(ack uint64, now time.Time) error {
	if ack > c.acked+uint64(c.sent) {
		return errs.New("invite.Frame", errs.PeerMisbehaved, "message %d acknowledged, %d were sent", ack, c.acked+uint64(c.sent))
	}
	if ack <= c.acked {
		return nil
	}
	n := int(ack - c.acked)
	c.queue, c.sent, c.acked = c.queue[n:], c.sent-n, ack
	c.wait = resendFirst
	c.resendAt = now.Add(c.wait)
	return nil
}

// flush gives the frames that are due: pieces, an acknowledgement, a ping.
func (c *channel) flush(now time.Time) [][]byte {
	if c.sent > 0 && !now.Before(c.resendAt) {
		c.sent = 0
		c.wait = min(2*c.wait, resendMost)
	}
	var frames [][]byte
	for ; c.sent < min(len(c.queue), window); c.sent++ {
		if c.sent == 0 {
			c.resendAt = now.Add(c.wait)
		}
		frames = append(frames, c.seal(c.acked+uint64(c.sent)+1, c.queue[c.sent], now))
	}
	if len(frames) == 0 && (c.ackDue || now.Sub(c.lastSent) >= pingEvery) {
		frames = append(frames, c.seal(0, piece{}, now))
	}
	return frames
}

func (c *channel) seal(seq uint64, p piece, now time.Time) []byte {
	b := wire.AppendUint(wire.AppendUint(wire.AppendArray(nil, 4), seq), c.received)
	b = wire.AppendBytes(wire.AppendBool(b, p.more), p.body)
	c.nonceOut++
	c.ackDue, c.lastSent = false, now
	f := frame{kind: c.kind, tag: c.tag, nonce: c.nonceOut}
	f.body = c.out.Encrypt(nil, f.nonce, c.ad(c.kind), b)
	return f.encode()
}
