package cpace

import (
	"crypto/hmac"
	"crypto/sha512"

	"github.com/echospace/echospace/core/env"
	"github.com/gtank/ristretto255"
)

// Context is what both sides must agree on. A difference in any field gives
// different keys.
type Context struct {
	Code    []byte // PRS: the shared code
	Channel []byte // CI: what this exchange is for; may be empty
	Session []byte // sid: never used twice
}

// Message is what one side sends.
type Message struct {
	Point [PointSize]byte // Y
	Data  []byte          // AD: public data that the keys bind, such as a role
}

// Party is one side of one run: it gives Keys once, and then forgets its scalar.
type Party struct {
	session []byte
	scalar  *ristretto255.Scalar
	message Message
}

// New draws a secret scalar and makes this side's Message, which carries data.
// It keeps copies of what it is handed.
func New(e env.Env, c Context, data []byte) *Party {
	s := ristretto255.NewScalar()
	for s.Equal(ristretto255.NewScalar()) == 1 {
		// It fails for another length only, and then leaves zero.
		_, _ = s.SetUniformBytes(e.Bytes(SeedSize))
	}
	return newParty(s, c, data)
}

func newParty(s *ristretto255.Scalar, c Context, data []byte) *Party {
	p := &Party{session: append([]byte(nil), c.Session...), scalar: s}
	y := ristretto255.NewIdentityElement().ScalarMult(s, generator(c))
	copy(p.message.Point[:], y.Bytes())
	p.message.Data = append([]byte(nil), data...)
	return p
}

// Message is what the other side needs.
func (p *Party) Message() Message { return p.message }

// Initiate takes the responder's Message and gives the initiator's Keys. It
// fails with errs.BadKey for a point that the draft refuses.
func (p *Party) Initiate(peer Message) (*Keys, error) {
	return p.keys(peer, append(p.message.encode(), peer.encode()...))
}

// Respond takes the initiator's Message and gives the responder's Keys. It
// fails with errs.BadKey for a point that the draft refuses.
func (p *Party) Respond(peer Message) (*Keys, error) {
	return p.keys(peer, append(peer.encode(), p.message.encode()...))
}

// Symmetric is for sides that have no order: both call it. A Message equal to
// the own one is a reflection; Keys.Verify refuses it. It fails with
// errs.BadKey for a point that the draft refuses.
func (p *Party) Symmetric(peer Message) (*Keys, error) {
	return p.keys(peer, orderedCat(p.message.encode(), peer.encode()))
}

// encode is lv_cat(Y, AD).
func (m Message) encode() []byte { return lvCat(m.Point[:], m.Data) }

func (p *Party) keys(peer Message, transcript []byte) (*Keys, error) {
	secret, err := multiply(p.scalar, peer.Point[:])
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	p.scalar.Zero()
	k := &Keys{own: p.message.encode(), peer: peer.encode(), transcript: transcript}
	input := append(lvCat([]byte(dsiISK), p.session, secret), transcript...)
	k.ISK = sha512.Sum512(input)
	clear(input)
	mac := sha512.New()
	mac.Write([]byte("CPaceMac"))
	mac.Write(p.session)
	mac.Write(k.ISK[:])
	k.mac = mac.Sum(nil)
	return k, nil
}

// Keys are what a run gives. They are equal on both sides exactly if the
// Contexts were and the Messages arrived as sent.
type Keys struct {
	ISK        [KeySize]byte // intermediate session key
	mac        []byte
	own, peer  []byte // encoded messages
	transcript []byte
}

// Tag confirms the key to the other side: an HMAC-SHA-512 over the own Message.
// Sent to somebody who only guessed the code, it tells them whether they were
// right, and nothing else.
func (k *Keys) Tag() []byte { return k.tag(k.own) }

// Verify reports, in constant time, whether tag is the other side's. A
// reflected Message or Tag does not verify.
func (k *Keys) Verify(tag []byte) bool {
	return hmac.Equal(tag, k.tag(k.peer)) && !hmac.Equal(k.own, k.peer)
}

func (k *Keys) tag(message []byte) []byte {
	m := hmac.New(sha512.New, k.mac)
	m.Write(message)
	return m.Sum(nil)
}

// SessionID is the draft's optional output: a public name of this run that
// both sides share. (The label is that of the draft's values; its text cuts it.)
func (k *Keys) SessionID() [sha512.Size]byte {
	return sha512.Sum512(append([]byte("CPaceSidOutput"), k.transcript...))
}
