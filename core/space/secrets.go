package space

import (
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// maxKeys bounds the epoch and control keys that one record may hold.
const maxKeys = 1 << 16

// Secrets are what a member holds of a space besides its own device key. They
// are handed over sealed by an admission and kept sealed in the keyring.
type Secrets struct {
	// Swarm is the secret from which members derive where and how they meet.
	Swarm keys.Secret
	// Controls and Epochs are the keys of control and data blocks, oldest
	// first; the last of each is the one to write under. A KEEPER holds no
	// Epochs.
	Controls, Epochs []keys.Secret
}

// Gate is where members meet and what they show there: a topic, and the
// pre-shared key of the sessions under it. Both follow from the swarm's secret and
// a control key, which every member holds, KEEPERs too, and which rotates with the
// epoch: who was removed can neither find nor enter.
type Gate struct {
	Topic id.Topic
	PSK   keys.Secret
}

// Gate is that of the newest control key.
func (s Secrets) Gate() Gate {
	if len(s.Controls) == 0 {
		return s.gateOf(keys.Secret{})
	}
	return s.gateOf(s.Controls[len(s.Controls)-1])
}

func (s Secrets) gateOf(control keys.Secret) Gate {
	return Gate{
		Topic: id.Topic(keys.SumLabel("echospace space topic v2", s.Swarm[:], control[:])),
		PSK:   keys.Derive(append(s.Swarm[:len(s.Swarm):len(s.Swarm)], control[:]...), "echospace space session psk v2"),
	}
}

// Append appends the encoding of s: [1, swarm, [control...], [epoch...]].
func (s Secrets) Append(b []byte) []byte {
	b = wire.AppendArray(b, 4)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, s.Swarm[:])
	for _, list := range [][]keys.Secret{s.Controls, s.Epochs} {
		b = wire.AppendArray(b, len(list))
		for _, k := range list {
			b = wire.AppendBytes(b, k[:])
		}
	}
	return b
}

// readSecrets reads what Append wrote.
func readSecrets(r *wire.Reader) (s Secrets) {
	r.Array(4)
	readVersion(r, 1)
	r.Fixed(s.Swarm[:])
	for _, list := range []*[]keys.Secret{&s.Controls, &s.Epochs} {
		for n := r.ArrayLen(maxKeys); n > 0 && r.Err() == nil; n-- {
			var k keys.Secret
			r.Fixed(k[:])
			*list = append(*list, k)
		}
	}
	return s
}

// readVersion reads the version that a structure begins with.
func readVersion(r *wire.Reader, known uint64) {
	if v := r.Uint(1 << 16); r.Err() == nil && v != known {
		r.Fail(errs.New("space", errs.VersionUnsupported, "format version %d is not %d; a newer Echospace wrote it", v, known))
	}
}

// Record is what a device keeps of a space in its keyring.
type Record struct {
	Key     id.SpaceKey
	Secrets Secrets
	// Proof is the credential path that admitted this device. It lets the
	// device meet others before it has the space's control feeds. It is empty while
	// a recovered space has none.
	Proof []byte
	// Joined tells the joins of a space by one identity apart, so that a removal says
	// which of them it ends: later ones have larger numbers. 0 is that of who founds a
	// space, or comes back to it by recovery. It is of the identity's own counting: an
	// admission gives none.
	Joined uint64
}

// MaxJoined bounds Record.Joined.
const MaxJoined = 1<<53 - 1

// Record is what is to be kept of the space now.
func (s *Space) Record() Record {
	return Record{Key: s.key, Secrets: s.secrets, Proof: s.proof, Joined: s.joined}
}

// RaiseJoined has the space be here by a later join; an earlier one changes nothing.
func (s *Space) RaiseJoined(joined uint64) { s.joined = max(s.joined, joined) }

// maxProof bounds a membership proof, in bytes.
const maxProof = 1 << 20

// Encode gives the bytes for the keyring: [1, space, secrets, proof], and [1, space,
// secrets, proof, joined] unless that is 0.
func (rec Record) Encode() []byte {
	n := 4
	if rec.Joined > 0 {
		n = 5
	}
	b := wire.AppendArray(nil, n)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, rec.Key[:])
	b = rec.Secrets.Append(b)
	b = wire.AppendBytes(b, rec.Proof)
	if rec.Joined > 0 {
		b = wire.AppendUint(b, rec.Joined)
	}
	return b
}

// DecodeRecord reads what Encode gave.
func DecodeRecord(b []byte) (rec Record, err error) {
	const op = "space.DecodeRecord"
	r := wire.NewReader(b)
	n := r.ArrayLen(5)
	readVersion(r, 1)
	r.Fixed(rec.Key[:])
	rec.Secrets = readSecrets(r)
	rec.Proof = append([]byte(nil), r.Bytes(maxProof)...)
	switch n {
	case 4:
	case 5:
		if rec.Joined = r.Uint(MaxJoined); rec.Joined == 0 {
			r.Fail(errs.New(op, errs.Malformed, "a record gives 0 as its join"))
		}
	default:
		r.Fail(errs.New(op, errs.Malformed, "a record of %d elements", n))
	}
	return rec, r.Done(op)
}
