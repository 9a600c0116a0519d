package client

import (
	"context"
	"math"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// Who recovers an identity and who helps meet under a topic that follows from the
// recovery key. Who recovers asks, with a signature by that key in each question, so that
// a helper need remember nothing; it asks for a list first, then for each item in pieces.
//
//	frame    = [1, bin: [1, bin32 ephemeral, bin32 item, offset, bin64 signature]]  question
//	         | [2, bin: [1, bin32 item, offset, size, bin piece]]                   answer
//	item     = [1, space, envelope, [credential of its issuer's chain...], [of the recovery key's...]]
//	         | [2, space, bin]                                                      keys
//
// The keys of a space are those of the helper (space.Space.HandTo), sealed to the recovery
// key: the envelope may be older.
//
// A question is sealed under a key that follows from the recovery key's public half,
// an answer to the ephemeral X25519 key of the question. Item zero is the list: the names
// of the items, each the BLAKE2b-256 of one. The signature is Ed25519 by the recovery key
// over the labelled hash of topic, ephemeral key, item and offset.
//
// A helper shows nothing before that signature: neither whom it knows nor who it is. Who
// recorded a question and asks it again gets what only its author opens. Nothing that a
// helper says is believed without a proof: that the identity is that of the recovery key,
// that a device of it sealed the envelope (credential.VerifyRecovery, VerifyChain).

const (
	recoveryPiece  = 48 << 10
	maxRecoverable = 1 << 10 // items that a helper has
	maxItem        = 512 << 10
	frameAsk       = 1
	frameTell      = 2
	maxAsk         = 1 << 10
)

// recoveryGate is where a recovery key is asked for and served.
type recoveryGate struct {
	key   [32]byte
	topic id.Topic
	psk   keys.Secret
}

func recoveryGateOf(key [32]byte) recoveryGate {
	return recoveryGate{
		key:   key,
		topic: id.Topic(keys.SumLabel("echospace recovery topic v1", key[:])),
		psk:   keys.Derive(key[:], "echospace recovery psk v1"),
	}
}

// ask is a question.
type ask struct {
	ephemeral [32]byte
	item      id.Hash // zero: the list
	offset    int
}

func (g recoveryGate) message(a ask) []byte {
	at := wire.AppendUint(nil, uint64(a.offset))
	sum := keys.SumLabel("echospace recovery question v1", g.topic[:], a.ephemeral[:], a.item[:], at)
	return sum[:]
}

func (g recoveryGate) encodeAsk(e env.Env, signer keys.Signer, a ask) ([]byte, error) {
	sig, err := signer.Sign(context.Background(), g.message(a))
	if err != nil {
		return nil, err
	}
	b := wire.AppendUint(wire.AppendArray(nil, 5), 1)
	b = wire.AppendBytes(b, a.ephemeral[:])
	b = wire.AppendBytes(b, a.item[:])
	b = wire.AppendUint(b, uint64(a.offset))
	b = wire.AppendBytes(b, sig[:])
	return recoveryFrame(frameAsk, keys.Seal(e, g.psk, b, g.topic[:])), nil
}

func recoveryFrame(kind uint64, sealed []byte) []byte {
	return wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), kind), sealed)
}

// openFrame gives what is sealed in a frame of a kind; nil for another.
func openFrame(kind uint64, limit int, b []byte) []byte {
	r := wire.NewReader(b)
	r.Array(2)
	got := r.Uint(math.MaxUint8)
	sealed := r.Bytes(limit)
	if r.Done("client.recovery") != nil || got != kind {
		return nil
	}
	return sealed
}

// decodeAsk reads a question and checks that the recovery key signed it; false for
// anything else.
func (g recoveryGate) decodeAsk(frame []byte) (a ask, ok bool) {
	b, err := keys.Open(g.psk, openFrame(frameAsk, maxAsk, frame), g.topic[:])
	if err != nil {
		return a, false
	}
	var sig [64]byte
	r := wire.NewReader(b)
	r.Array(5)
	version := r.Uint(1 << 16)
	r.Fixed(a.ephemeral[:])
	r.Fixed(a.item[:])
	a.offset = int(r.Uint(maxItem))
	r.Fixed(sig[:])
	ok = r.Done("client.recovery") == nil && version == 1 && keys.Verify(g.key, g.message(a), sig[:]) == nil
	return a, ok
}

// tell is an answer.
type tell struct {
	item   id.Hash
	offset int
	size   int
	piece  []byte
}

func (g recoveryGate) encodeTell(e env.Env, to [32]byte, t tell) ([]byte, error) {
	b := wire.AppendUint(wire.AppendArray(nil, 5), 1)
	b = wire.AppendBytes(b, t.item[:])
	b = wire.AppendUint(b, uint64(t.offset))
	b = wire.AppendUint(b, uint64(t.size))
	b = wire.AppendBytes(b, t.piece)
	sealed, err := keys.SealTo(e, to, b, g.topic[:])
	return recoveryFrame(frameTell, sealed), err
}

// decodeTell reads an answer; false for anything else.
func (g recoveryGate) decodeTell(ephemeral *keys.SealingKey, frame []byte) (t tell, ok bool) {
	b, err := ephemeral.Open(openFrame(frameTell, 2*recoveryPiece, frame), g.topic[:])
	if err != nil {
		return t, false
	}
	r := wire.NewReader(b)
	r.Array(5)
	version := r.Uint(1 << 16)
	r.Fixed(t.item[:])
	t.offset, t.size = int(r.Uint(maxItem)), int(r.Uint(maxItem))
	t.piece = r.Bytes(recoveryPiece)
	return t, r.Done("client.recovery") == nil && version == 1 && t.offset+len(t.piece) <= t.size
}

// item is what a helper has of one space: its envelope, or its keys.
type item struct {
	space         id.SpaceKey
	envelope      []byte
	issuer, chain [][]byte // that lead to who sealed it, and to the recovery key
	keys          []byte   // or these
}

// Kinds of items.
const (
	itemEnvelope = 1
	itemKeys     = 2
)

func (it item) encode() []byte {
	if it.keys != nil {
		b := wire.AppendUint(wire.AppendArray(nil, 3), itemKeys)
		b = wire.AppendBytes(b, it.space[:])
		return wire.AppendBytes(b, it.keys)
	}
	b := wire.AppendUint(wire.AppendArray(nil, 5), 1)
	b = wire.AppendBytes(b, it.space[:])
	b = wire.AppendBytes(b, it.envelope)
	for _, chain := range [][][]byte{it.issuer, it.chain} {
		b = wire.AppendArray(b, len(chain))
		for _, c := range chain {
			b = wire.AppendBytes(b, c)
		}
	}
	return b
}

func decodeItem(b []byte) (it item, err error) {
	r := wire.NewReader(b)
	fields, kind := r.ArrayLen(5), r.Uint(1<<16)
	if r.Err() == nil && !(kind == itemEnvelope && fields == 5 || kind == itemKeys && fields == 3) {
		r.Fail(errs.New("client.recovery", errs.VersionUnsupported, "an item of kind %d with %d fields is not known to this Echospace", kind, fields))
	}
	r.Fixed(it.space[:])
	if kind == itemKeys {
		it.keys = append([]byte{}, r.Bytes(maxItem)...)
		return it, r.Done("client.recovery")
	}
	it.envelope = r.Bytes(maxItem)
	for _, chain := range []*[][]byte{&it.issuer, &it.chain} {
		for n := r.ArrayLen(maxChain); n > 0 && r.Err() == nil; n-- {
			*chain = append(*chain, r.Bytes(maxCredential))
		}
	}
	return it, r.Done("client.recovery")
}

// verified is an item that holds.
type verified struct {
	envelope *credential.Credential
	claim    credential.RecoveryEnvelope
	recovery *credential.Credential // that makes the recovery key one of the identity
}

// verify checks what an item says about a recovery key: whose it is, and that a device of
// that identity sealed the envelope.
func (it item) verify(key [32]byte) (v verified, err error) {
	const op = "client.recovery"
	if v.recovery, err = credential.VerifyRecovery(key, it.chain); err != nil {
		return v, err
	}
	if v.envelope, err = credential.Decode(it.envelope); err != nil {
		return v, err
	}
	var ok bool
	v.claim, ok = v.envelope.Claim.(credential.RecoveryEnvelope)
	if who := v.recovery.Claim.(credential.Recovery).Identity; !ok || v.claim.Key != key || v.claim.Identity != who {
		return v, errs.New(op, errs.BadCredential, "what was handed over is no envelope for the recovery key")
	}
	_, err = credential.VerifyChain(v.claim.Identity, v.envelope.Issuer, it.issuer)
	return v, err
}
