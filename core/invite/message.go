package invite

import (
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/invite/cpace"
	"github.com/echospace/echospace/core/wire"
)

// messageType is what a sealed message says.
type messageType uint8

const (
	msgStart     messageType = 1  // guest: CPace point
	msgConfirm   messageType = 2  // guest: CPace tag
	msgIntroduce messageType = 3  // guest: body, proof, key proof
	msgOpened    messageType = 4  // guest: the space is open
	msgBye       messageType = 5  // guest: kind of error why it leaves
	msgPresent   messageType = 6  // guest: first of all; shows that its hello was no replay
	msgWelcome   messageType = 16 // host: attempts left, what the guest is to be if it is said; the guest may go on
	msgReply     messageType = 17 // host: CPace point
	msgProven    messageType = 18 // host: CPace tag
	msgWrong     messageType = 19 // host: attempts left
	msgAdmitted  messageType = 20 // host: payload
	msgEnd       messageType = 21 // host: kind of error, payload; nothing follows
	msgKnown     messageType = 22 // host: payload, for a guest that is a member already
)

// message is one sealed message. Which fields it has is up to its type.
type message struct {
	typ      messageType
	point    [cpace.PointSize]byte // start, reply
	tag      []byte                // confirm, proven
	intro    Introduction          // introduce
	attempts uint64                // welcome, wrong
	role     uint8                 // welcome; 0 is left out
	kind     errs.Kind             // bye, end
	payload  []byte                // admitted, end, known
}

// fields is the length of a type's array, 0 for what is no type.
func (t messageType) fields() int {
	switch t {
	case msgOpened, msgPresent:
		return 1
	case msgStart, msgConfirm, msgBye, msgWelcome, msgReply, msgProven, msgWrong, msgAdmitted, msgKnown:
		return 2
	case msgEnd:
		return 3
	case msgIntroduce:
		return 4
	}
	return 0
}

// roled tells whether a message has a role, one field more than its type.
func (m message) roled() bool { return m.typ == msgWelcome && m.role != 0 }

func (m message) encode() []byte {
	n := m.typ.fields()
	if m.roled() {
		n++
	}
	b := wire.AppendUint(wire.AppendArray(nil, n), uint64(m.typ))
	switch m.typ {
	case msgStart, msgReply:
		b = wire.AppendBytes(b, m.point[:])
	case msgConfirm, msgProven:
		b = wire.AppendBytes(b, m.tag)
	case msgIntroduce:
		b = wire.AppendBytes(wire.AppendBytes(b, m.intro.Body), m.intro.Proof)
		b = wire.AppendBytes(b, m.intro.KeyProof)
	case msgWelcome, msgWrong:
		b = wire.AppendUint(b, m.attempts)
		if m.roled() {
			b = wire.AppendUint(b, uint64(m.role))
		}
	case msgBye:
		b = wire.AppendUint(b, uint64(m.kind))
	case msgAdmitted, msgKnown:
		b = wire.AppendBytes(b, m.payload)
	case msgEnd:
		b = wire.AppendBytes(wire.AppendUint(b, uint64(m.kind)), m.payload)
	}
	return b
}

// decodeMessage reads a message, sharing memory with b.
func decodeMessage(b []byte) (message, error) {
	const op = "invite.decodeMessage"
	var m message
	r := wire.NewReader(b)
	n := r.ArrayLen(4)
	m.typ = messageType(r.Uint(math.MaxUint8))
	roled := m.typ == msgWelcome && n == m.typ.fields()+1
	if r.Err() == nil && (n == 0 || n != m.typ.fields() && !roled) {
		r.Fail(errs.New(op, errs.Malformed, "a message of type %d with %d fields", m.typ, n))
	}
	switch m.typ {
	case msgStart, msgReply:
		r.Fixed(m.point[:])
	case msgConfirm, msgProven:
		m.tag = r.Bytes(cpace.TagSize)
	case msgIntroduce:
		m.intro = Introduction{Body: r.Bytes(MaxMessage), Proof: r.Bytes(MaxMessage), KeyProof: r.Bytes(keyProofSize)}
	case msgWelcome, msgWrong:
		m.attempts = r.Uint(math.MaxUint16)
		if roled {
			m.role = uint8(r.Uint(math.MaxUint8))
		}
		if roled && r.Err() == nil && m.role == 0 {
			r.Fail(errs.New(op, errs.Malformed, "a welcome with role 0"))
		}
	case msgBye, msgEnd:
		m.kind = errs.Kind(r.Uint(math.MaxUint16))
		if m.typ == msgEnd {
			m.payload = r.Bytes(MaxMessage)
		}
		if r.Err() == nil && m.kind == errs.OK {
			r.Fail(errs.New(op, errs.Malformed, "an end without an error"))
		}
	case msgAdmitted, msgKnown:
		m.payload = r.Bytes(MaxMessage)
	}
	return m, r.Done(op)
}

// keyProofSize is the length of an Ed25519 signature.
const keyProofSize = 64

// Introduction is who a guest says it is. The machine carries it, sealed, to a
// host that has proven to know the auth code.
type Introduction struct {
	// Body says who: the identity's chain, the device, its feeds. It should be
	// the same whenever the guest tries again: a host whose admission did not
	// reach the guest hands it over again to an equal Body, and to no other.
	Body []byte
	// Proof shows that Body is the guest's own: signatures over
	// Introduce.Binding. The host's caller judges it.
	Proof []byte
	// KeyProof is, for a KnownPublicKey invitation, the signature over
	// Introduce.Binding by the key that it names, or by the one that
	// HostOptions.KeyOf finds in Body; else empty. The host's machine judges it.
	KeyProof []byte
}
