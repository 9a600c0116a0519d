package mesh

import (
	"errors"
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// version is that of the session protocol. It is in the prologue of the
// handshake, so no relay can make two peers speak an older one.
const version = 1

// tag names one handshake and the session that comes of it; random, chosen by
// the initiator, in clear. It tells packets of this session from those of the
// one before.
type tag [8]byte

// Kinds of relayed frames.
const (
	envHandshake = 1 // [1, version, tag, step, noise message]
	envSealed    = 2 // [2, tag, packet number, sealed packet]
)

// envelope is a relayed frame.
type envelope struct {
	kind   uint8
	tag    tag
	step   uint8  // handshake: 1, 2, 3
	number uint64 // sealed: the nonce
	data   []byte
}

// append encodes e.
func (e *envelope) append(b []byte) []byte {
	if e.kind == envHandshake {
		b = wire.AppendArray(b, 5)
		b = wire.AppendUint(b, envHandshake)
		b = wire.AppendUint(b, version)
		b = wire.AppendBytes(b, e.tag[:])
		b = wire.AppendUint(b, uint64(e.step))
		return wire.AppendBytes(b, e.data)
	}
	b = wire.AppendArray(b, 4)
	b = wire.AppendUint(b, envSealed)
	b = wire.AppendBytes(b, e.tag[:])
	b = wire.AppendUint(b, e.number)
	return wire.AppendBytes(b, e.data)
}

// decodeEnvelope reads a relayed frame; data shares b's memory.
func decodeEnvelope(b []byte) (envelope, error) {
	const op = "mesh.decodeEnvelope"
	var e envelope
	r := wire.NewReader(b)
	n := r.ArrayLen(16)
	e.kind = uint8(r.Uint(math.MaxUint8))
	switch e.kind {
	case envHandshake:
		v := r.Uint(math.MaxUint64)
		if r.Err() == nil && v != version {
			return e, errs.New(op, errs.VersionUnsupported, "the peer speaks version %d of the session protocol, this one version %d", v, version)
		}
		wantLen(r, n, 5)
		r.Fixed(e.tag[:])
		if e.step = uint8(r.Uint(3)); e.step == 0 {
			r.Fail(errors.New("handshake step 0"))
		}
	case envSealed:
		wantLen(r, n, 4)
		r.Fixed(e.tag[:])
		e.number = r.Uint(math.MaxUint64 - 1) // the last nonce is Noise's own
	default:
		r.Fail(errors.New("unknown kind of frame"))
	}
	e.data = r.Bytes(maxFrame)
	return e, r.Done(op)
}

func wantLen(r *wire.Reader, got, want int) {
	if got != want {
		r.Fail(errors.New("array of another length"))
	}
}

// Kinds of packets. Below pktNumbered they are said once and may be lost; from
// there on they carry a numbered frame.
const (
	pktAck     = 1 // [1, ack]
	pktPing    = 2 // [2, ack, token]
	pktPong    = 3 // [3, ack, token]
	pktBye     = 4 // [4, ack, kind of errs]
	pktConfirm = 5 // [5, ack, mac]; only on a direct channel, the first there

	pktNumbered = 16
	pktMessage  = 16 // [16, ack, number, bulk, more, part]
	pktOpen     = 17 // [17, ack, number, attempt]
	pktSignal   = 18 // [18, ack, number, attempt, message]
	pktClose    = 19 // [19, ack, number, attempt, final]
	pktAddress  = 20 // [20, ack, number, [peer id, ...]]
)

const (
	// maxPart is the longest part of a message in one frame; with all that
	// is around it a frame stays within signal.MaxFrame.
	maxPart = 60 << 10
	// maxFrame is the longest relayed frame or direct message.
	maxFrame = 64 << 10
	// maxAddresses bounds the peer ids in one packet.
	maxAddresses = 16
)

// packet is what one transmission says. ack acknowledges all numbered frames up
// to and with that number.
type packet struct {
	kind    uint8
	ack     uint64
	token   uint64 // ping, pong; bye: the errs.Kind
	mac     [32]byte
	number  uint64
	bulk    bool
	more    bool // further parts of this message follow
	final   bool // close: do not try again
	attempt uint64
	data    []byte
	ids     []id.PeerID
}

// length is the number of elements of a packet's array by kind.
func (p *packet) length() int {
	switch p.kind {
	case pktAck:
		return 2
	case pktPing, pktPong, pktBye, pktConfirm:
		return 3
	case pktMessage:
		return 6
	case pktOpen, pktAddress:
		return 4
	case pktSignal, pktClose:
		return 5
	}
	return 0
}

// append encodes p.
func (p *packet) append(b []byte) []byte {
	b = wire.AppendArray(b, p.length())
	b = wire.AppendUint(b, uint64(p.kind))
	b = wire.AppendUint(b, p.ack)
	if p.kind >= pktNumbered {
		b = wire.AppendUint(b, p.number)
	}
	switch p.kind {
	case pktPing, pktPong, pktBye:
		b = wire.AppendUint(b, p.token)
	case pktConfirm:
		b = wire.AppendBytes(b, p.mac[:])
	case pktMessage:
		b = wire.AppendBool(b, p.bulk)
		b = wire.AppendBool(b, p.more)
		b = wire.AppendBytes(b, p.data)
	case pktOpen:
		b = wire.AppendUint(b, p.attempt)
	case pktSignal:
		b = wire.AppendUint(b, p.attempt)
		b = wire.AppendBytes(b, p.data)
	case pktClose:
		b = wire.AppendUint(b, p.attempt)
		b = wire.AppendBool(b, p.final)
	case pktAddress:
		b = wire.AppendArray(b, len(p.ids))
		for i := range p.ids {
			b = wire.AppendBytes(b, p.ids[i][:])
		}
	}
	return b
}

// decodePacket reads a packet; data shares b's memory.
func decodePacket(b []byte) (packet, error) {
	var p packet
	r := wire.NewReader(b)
	n := r.ArrayLen(16)
	p.kind = uint8(r.Uint(math.MaxUint8))
	if r.Err() == nil && (p.length() == 0 || p.length() != n) {
		r.Fail(errors.New("unknown kind of packet or another length"))
	}
	p.ack = r.Uint(math.MaxUint64)
	if p.kind >= pktNumbered {
		if p.number = r.Uint(math.MaxUint64); p.number == 0 {
			r.Fail(errors.New("frame number 0"))
		}
	}
	switch p.kind {
	case pktPing, pktPong:
		p.token = r.Uint(math.MaxUint64)
	case pktBye:
		p.token = r.Uint(math.MaxUint16)
	case pktConfirm:
		r.Fixed(p.mac[:])
	case pktMessage:
		p.bulk = r.Bool()
		p.more = r.Bool()
		p.data = r.Bytes(maxPart)
	case pktOpen:
		p.attempt = r.Uint(math.MaxUint64)
	case pktSignal:
		p.attempt = r.Uint(math.MaxUint64)
		p.data = r.Bytes(maxPart)
	case pktClose:
		p.attempt = r.Uint(math.MaxUint64)
		p.final = r.Bool()
	case pktAddress:
		for k := r.ArrayLen(maxAddresses); k > 0 && r.Err() == nil; k-- {
			var v id.PeerID
			r.Fixed(v[:])
			p.ids = append(p.ids, v)
		}
	}
	return p, r.Done("mesh.decodePacket")
}

// hello is the payload of a handshake message.
type hello struct {
	// order grows with every handshake of an instance; it decides which of two
	// sessions is newer, for both ends alike.
	order  uint64
	direct bool // can open direct connections
	auth   []byte
}

// append encodes h as [version, order, direct, auth].
func (h *hello) append(b []byte) []byte {
	b = wire.AppendArray(b, 4)
	b = wire.AppendUint(b, version)
	b = wire.AppendUint(b, h.order)
	b = wire.AppendBool(b, h.direct)
	return wire.AppendBytes(b, h.auth)
}

// decodeHello reads a handshake payload; auth shares b's memory.
func decodeHello(b []byte) (hello, error) {
	var h hello
	r := wire.NewReader(b)
	r.Array(4)
	if v := r.Uint(math.MaxUint64); r.Err() == nil && v != version {
		r.Fail(errors.New("another version"))
	}
	h.order = r.Uint(math.MaxUint64)
	h.direct = r.Bool()
	h.auth = r.Bytes(MaxAuth)
	return h, r.Done("mesh.decodeHello")
}
