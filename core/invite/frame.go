package invite

import (
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

// MaxFrame is the longest frame that a machine makes, in bytes.
const MaxFrame = 60 << 10

// protocol is the version that hello, beacon and prologue state.
const protocol = 1

// tagSize is the length of the random name that a guest gives a session.
const tagSize = 8

// frameKind also says who speaks, so that guests ignore guests, hosts ignore
// hosts, and nobody is taken in by a reflection.
type frameKind uint8

const (
	frameHello  frameKind = 1 // guest: version, tag, first Noise message
	frameAnswer frameKind = 2 // host: tag, second Noise message
	frameGuest  frameKind = 3 // guest: tag, nonce, sealed
	frameHost   frameKind = 4 // host: tag, nonce, sealed
	frameBeacon frameKind = 5 // host: version; "say hello to me"
)

// frame is one frame as it crosses the relay.
type frame struct {
	kind  frameKind
	tag   [tagSize]byte
	nonce uint64 // of sealed kinds, from 1
	body  []byte
}

func (f frame) encode() []byte {
	b := make([]byte, 0, len(f.body)+32)
	switch f.kind {
	case frameHello:
		b = wire.AppendUint(wire.AppendUint(wire.AppendArray(b, 4), uint64(f.kind)), protocol)
		return wire.AppendBytes(wire.AppendBytes(b, f.tag[:]), f.body)
	case frameAnswer:
		b = wire.AppendUint(wire.AppendArray(b, 3), uint64(f.kind))
		return wire.AppendBytes(wire.AppendBytes(b, f.tag[:]), f.body)
	case frameBeacon:
		return wire.AppendUint(wire.AppendUint(wire.AppendArray(b, 2), uint64(f.kind)), protocol)
	}
	b = wire.AppendUint(wire.AppendArray(b, 4), uint64(f.kind))
	b = wire.AppendUint(wire.AppendBytes(b, f.tag[:]), f.nonce)
	return wire.AppendBytes(b, f.body)
}

// decodeFrame reads a frame, sharing memory with b.
func decodeFrame(b []byte) (frame, error) {
	const op = "invite.decodeFrame"
	if len(b) > MaxFrame {
		return frame{}, errs.New(op, errs.TooLarge, "a frame of %d bytes, limit %d", len(b), MaxFrame)
	}
	var f frame
	r := wire.NewReader(b)
	n := r.ArrayLen(4)
	f.kind = frameKind(r.Uint(math.MaxUint8))
	want := 4
	switch f.kind {
	case frameHello:
		f.checkVersion(r)
		r.Fixed(f.tag[:])
	case frameAnswer:
		want = 3
		r.Fixed(f.tag[:])
	case frameGuest, frameHost:
		r.Fixed(f.tag[:])
		f.nonce = r.Uint(math.MaxInt64)
	case frameBeacon:
		want = 2
		f.checkVersion(r)
	default:
		r.Fail(errs.New(op, errs.Malformed, "%d is not a kind of frame", f.kind))
	}
	if f.kind != frameBeacon {
		f.body = r.Bytes(MaxFrame)
	}
	if r.Err() == nil && n != want {
		r.Fail(errs.New(op, errs.Malformed, "a frame of kind %d has %d fields, want %d", f.kind, n, want))
	}
	return f, r.Done(op)
}

func (f *frame) checkVersion(r *wire.Reader) {
	if v := r.Uint(math.MaxUint16); r.Err() == nil && v != protocol {
		r.Fail(errs.New("invite.decodeFrame", errs.VersionUnsupported, "the peer speaks version %d, this side %d", v, protocol))
	}
}
