package mesh

import (
	"crypto/subtle"
	"encoding/binary"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

const (
	directTimeout = 20 * time.Second // for one attempt
	directDead    = 10 * time.Second // of silence on a direct path
	directRetry   = 5 * time.Second  // after the first failure, then twice as long
	directRetries = 6                // doublings
)

// direct is a session's attempt at a direct channel, or the channel.
//
// The initiator numbers the attempts and is the impolite side; the other one
// follows. Signaling messages carry the number, so none reaches another attempt.
type direct struct {
	key      keys.Secret // for confirmations
	attempt  uint64
	id       DirectID // zero when there is none
	deadline time.Time
	ready    bool // the channel is open, and our confirmation sent
	verified bool // the other side's confirmation holds
	active   bool // both: frames go here
	local    [32]byte
	remote   [32]byte
	early    []byte // what came before ready
	heardAt  time.Time
	retryAt  time.Time // initiator: of the next attempt, zero if none is due
	failures int
	final    bool  // no further attempt
	err      error // why there is no direct path
}

func (d *direct) opening() bool { return d.id != 0 && !d.active }

// startDirect begins when the session does.
func (x *session) startDirect() {
	switch {
	case !x.canDirect:
		x.direct.final = true
		x.direct.err = errs.New("mesh.direct", errs.UnsupportedBrowser, "this side or the peer cannot open direct connections")
	case x.initiator:
		x.openDirect(1)
		x.snd.control = append(x.snd.control, packet{kind: pktOpen, attempt: 1})
	}
}

// openDirect asks the driver for a connection.
func (x *session) openDirect(attempt uint64) {
	s, d := x.swarm, &x.direct
	s.lastDirect++
	d.id, d.attempt = s.lastDirect, attempt
	d.deadline = s.now.Add(directTimeout)
	d.ready, d.verified, d.active, d.early = false, false, false, nil
	d.retryAt, d.err = time.Time{}, nil
	s.byDirect[d.id] = x
	s.out.Opens = append(s.out.Opens, OpenDirect{ID: d.id, Polite: !x.initiator})
}

// onOpen follows the initiator into an attempt.
func (x *session) onOpen(attempt uint64) {
	d := &x.direct
	if x.initiator || attempt <= d.attempt {
		x.fail(errs.New("mesh.direct", errs.PeerMisbehaved, "the peer opened attempt %d at a direct channel out of turn", attempt))
		return
	}
	if d.final {
		x.snd.control = append(x.snd.control, packet{kind: pktClose, attempt: attempt, final: true})
		return
	}
	x.leaveDirect(nil)
	x.openDirect(attempt)
}

func (x *session) onSignal(attempt uint64, msg []byte) {
	if d := &x.direct; d.id != 0 && attempt == d.attempt {
		x.swarm.out.DirectSignals = append(x.swarm.out.DirectSignals, DirectMsg{d.id, msg})
	}
}

// onClose gives up the attempt that the peer gave up.
func (x *session) onClose(attempt uint64, final bool) {
	d := &x.direct
	if attempt != d.attempt {
		return
	}
	if final {
		d.final = true
	}
	if d.id != 0 {
		kind := errs.PeerUnreachable
		if final {
			kind = errs.UnsupportedBrowser
		}
		x.leaveDirect(errs.New("mesh.direct", kind, "the peer gave the direct channel up"))
	}
}

// DirectSignal hands over a message that DirectConn's Send gave, for the other
// side's Signal. It may be up to 60 KiB; a longer one fails the attempt.
func (s *Swarm) DirectSignal(c DirectID, msg []byte) {
	x := s.byDirect[c]
	if x == nil {
		return
	}
	if len(msg) > maxPart {
		x.dropDirect(errs.New("mesh.direct", errs.TooLarge, "a signaling message has %d bytes, limit %d", len(msg), maxPart), false)
		return
	}
	x.snd.control = append(x.snd.control, packet{kind: pktSignal, attempt: x.direct.attempt, data: msg})
}

// DirectReady tells that messages can flow on c, whose DTLS certificates have
// these fingerprints. It confirms them to the other side.
func (s *Swarm) DirectReady(c DirectID, local, remote [32]byte) {
	x := s.byDirect[c]
	if x == nil || x.direct.ready {
		return
	}
	d := &x.direct
	d.ready, d.local, d.remote, d.heardAt = true, local, remote, s.now
	confirm := packet{kind: pktConfirm, mac: x.confirmation(x.initiator, local, remote)}
	s.out.DirectSends = append(s.out.DirectSends, DirectMsg{c, confirm.append(nil)})
	if d.early != nil {
		early := d.early
		d.early = nil
		s.DirectMessage(c, early)
	}
}

// confirmation is what one side says of the two fingerprints as it sees them.
// HKDF under the exported key serves as the MAC.
func (x *session) confirmation(initiator bool, local, remote [32]byte) [32]byte {
	info := make([]byte, 0, 1+8+64)
	if initiator {
		info = append(info, 1)
	} else {
		info = append(info, 2)
	}
	info = binary.BigEndian.AppendUint64(info, x.direct.attempt)
	info = append(append(info, local[:]...), remote[:]...)
	return keys.Derive(x.direct.key[:], "echospace mesh channel confirmation", info)
}

// DirectMessage takes a message that came on c. Messages of a connection that
// was given up are ignored.
func (s *Swarm) DirectMessage(c DirectID, msg []byte) {
	x := s.byDirect[c]
	if x == nil {
		return
	}
	d := &x.direct
	if len(msg) > maxFrame {
		x.fail(errs.New("mesh.direct", errs.PeerMisbehaved, "a direct message has %d bytes, limit %d", len(msg), maxFrame))
		return
	}
	if !d.ready && d.early == nil {
		d.early = msg // the confirmation, which may overtake our own Ready
		return
	}
	p, err := decodePacket(msg)
	switch {
	case !d.ready || (!d.verified && (err != nil || p.kind != pktConfirm)):
		x.unbound("the first message on it is not a confirmation")
	case !d.verified:
		x.onConfirm(p.mac)
	case err != nil:
		x.fail(errs.New("mesh.direct", errs.PeerMisbehaved, "direct message: %w", err))
	case p.kind == pktConfirm:
		x.fail(errs.New("mesh.direct", errs.PeerMisbehaved, "a second channel confirmation"))
	default:
		x.receive(p, true)
	}
}

// onConfirm checks the other side's confirmation and moves there.
func (x *session) onConfirm(mac [32]byte) {
	d := &x.direct
	want := x.confirmation(!x.initiator, d.remote, d.local)
	if subtle.ConstantTimeCompare(mac[:], want[:]) != 1 {
		x.unbound("its ends have other certificates than the session's two devices")
		return
	}
	now := x.swarm.now
	d.verified, d.active, d.failures = true, true, 0
	d.heardAt = now
	x.snd.reroute(now)
	x.swarm.event(Event{Type: PathChanged, Session: x.id, Path: Direct})
	x.swarm.changed()
}

// unbound closes a channel that is not the session's.
func (x *session) unbound(why string) {
	x.direct.failures += 2 // somebody is on the way: come back late
	x.dropDirect(errs.New("mesh.direct", errs.ChannelNotBound, "the direct channel was closed: %s", why), false)
}

// DirectClosed tells that c failed or was closed, and why. If err is an
// errs.UnsupportedBrowser, no further attempt is made. The driver need not
// report what it closed on the Swarm's word.
func (s *Swarm) DirectClosed(c DirectID, err error) {
	if x := s.byDirect[c]; x != nil {
		if err == nil {
			err = errs.New("mesh.direct", errs.PeerUnreachable, "the direct channel closed")
		}
		x.dropDirect(err, errs.Is(err, errs.UnsupportedBrowser))
	}
}

// dropDirect gives the channel up and tells the peer.
func (x *session) dropDirect(err error, final bool) {
	d := &x.direct
	if final {
		d.final = true
	}
	x.snd.control = append(x.snd.control, packet{kind: pktClose, attempt: d.attempt, final: final})
	x.leaveDirect(err)
}

// leaveDirect closes the channel, moves the session back to the relay if it
// was on it, and plans the next attempt. A nil err is a restart by the peer.
func (x *session) leaveDirect(err error) {
	s, d := x.swarm, &x.direct
	was := d.active
	x.closeDirect()
	d.err = err
	if x.initiator && !d.final {
		d.retryAt = s.now.Add(s.jitter(directRetry << min(d.failures, directRetries)))
		d.failures++
	}
	if was && len(x.paths) == 0 {
		x.end(errs.New("mesh.session", errs.PeerUnreachable, "the direct channel is gone and no relay knows the peer: %w", orClosed(err)), false)
		return
	}
	if was {
		x.snd.reroute(s.now)
	}
	if was || errs.Is(err, errs.ChannelNotBound) {
		s.event(Event{Type: PathChanged, Session: x.id, Path: Relayed, Err: err})
	}
	s.changed()
}

func orClosed(err error) error {
	if err == nil {
		return errs.New("mesh.direct", errs.Closed, "the peer started anew")
	}
	return err
}

// closeDirect has the driver close what is open.
func (x *session) closeDirect() {
	s, d := x.swarm, &x.direct
	if d.id == 0 {
		return
	}
	s.out.DirectCloses = append(s.out.DirectCloses, d.id)
	delete(s.byDirect, d.id)
	d.id, d.ready, d.verified, d.active, d.early = 0, false, false, false, nil
}

// tickDirect watches the channel and starts the next attempt.
func (x *session) tickDirect() {
	s, d := x.swarm, &x.direct
	switch {
	case d.opening() && !s.now.Before(d.deadline):
		x.dropDirect(errs.New("mesh.direct", errs.Timeout, "no direct channel within %v", directTimeout), false)
	case d.active && len(x.paths) > 0 && s.now.Sub(d.heardAt) >= directDead:
		x.dropDirect(errs.New("mesh.direct", errs.Timeout, "nothing came on the direct channel for %v", directDead), false)
	case d.id == 0 && !d.retryAt.IsZero() && !s.now.Before(d.retryAt):
		x.retryDirect()
	}
}

// retryDirect starts the next attempt; only the initiator does.
func (x *session) retryDirect() {
	x.openDirect(x.direct.attempt + 1)
	x.snd.control = append(x.snd.control, packet{kind: pktOpen, attempt: x.direct.attempt})
}
