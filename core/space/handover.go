package space

import (
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// This file says what a control block holds, and who opens it: [1, [credential...]] where
// all members have the key that it is under, and nobody who was removed.
//
// Otherwise several made keys at once, or somebody was admitted beside that, or a new key
// is due. Then the block hands over a key. It is written under the first control key, which
// everybody has who ever was a member, or the one that all have still, and holds
// [2, [credential...], inner]. The credentials are those that
// hand over its keys: they say who gets them, and seal them to these. The inner part is
// the payload [1, [credential...]] of all others, sealed under the control key that is
// handed over. So who may open it follows from who is a member, and not from which keys
// somebody holds already; and who was removed reads that keys were handed to whom.

// innerLabel begins what the inner part is bound to, and derives its key.
const innerLabel = "echospace control inner part v1"

// maxInner is how much longer a payload is by an inner part.
const maxInner = 64

func (s *Space) innerAAD(key id.EpochID) []byte {
	sum := keys.SumLabel(innerLabel, s.key[:], key[:])
	return sum[:]
}

// handOver makes the control block of claims that hand keys to others, or take them away.
// What it says besides is for those alone who are to have the keys that it hands over; if
// it hands over none, for those who have the newest that is held here.
func (s *Space) handOver(claims ...func() ([]credential.Claim, error)) (*Intake, error) {
	shared, key := s.shared(), s.controlKey()
	if shared && !s.RotationDue() {
		return s.buildClaims(key, nil, claims...)
	}
	outer, again := key, []*credential.Credential(nil)
	if !shared {
		outer, again = s.firstControl(), s.membership.Outside()
	}
	in, err := s.buildClaims(outer, again, claims...)
	if err != nil {
		return nil, err
	}
	made := in.draft.list[len(again):]
	if in.draft.inner = s.handedOver(made); in.draft.inner == nil {
		in.draft.key, in.draft.list = key, made // the next keys bring the rest
	}
	return in, nil
}

// handedOver gives the control key that is handed to all by the last of these credentials
// that does, or nil.
func (s *Space) handedOver(list []*credential.Credential) (inner *keys.Secret) {
	for _, c := range list {
		if e, ok := c.Claim.(credential.Epoch); ok && e.Control {
			if k, held := s.byID[e.Key]; held {
				inner = &k
			}
		}
	}
	return inner
}

// payload is what the control block of a draft holds.
func (s *Space) payload(d *draft) []byte {
	var outer, inner []*credential.Credential
	for _, c := range d.list {
		if _, ok := c.Claim.(credential.Epoch); ok && slices.Contains(d.unsigned, c) {
			outer = append(outer, c)
		} else {
			inner = append(inner, c)
		}
	}
	if d.inner == nil || len(inner) == 0 {
		return controlPayload(d.list)
	}
	payload := wire.AppendUint(wire.AppendArray(nil, 3), 2)
	payload = appendCredentials(payload, outer)
	key := keys.Derive(d.inner[:], innerLabel)
	return wire.AppendBytes(payload, keys.Seal(s.env, key, controlPayload(inner), s.innerAAD(d.inner.ID())))
}

// controlPayload gives [1, [credential...]].
func controlPayload(list []*credential.Credential) []byte {
	return appendCredentials(wire.AppendUint(wire.AppendArray(nil, 2), 1), list)
}

func appendCredentials(b []byte, list []*credential.Credential) []byte {
	b = wire.AppendArray(b, len(list))
	for _, c := range list {
		b = wire.AppendBytes(b, c.Encode())
	}
	return b
}

// openInner opens the inner part of a control block with the first of the control keys
// that the credentials beside it hand over that does; nil if none does. lacks are those
// before it that this device has not.
func (s *Space) openInner(list []*credential.Credential, sealed []byte) (inner []byte, lacks []id.EpochID) {
	for _, c := range list {
		e, ok := c.Claim.(credential.Epoch)
		if !ok || !e.Control {
			continue
		}
		k, held := s.byID[e.Key]
		if !held {
			k, held = s.sealedTo(e)
		}
		if !held {
			lacks = append(lacks, e.Key)
			continue
		}
		inner, err := keys.Open(keys.Derive(k[:], innerLabel), sealed, s.innerAAD(e.Key))
		if err == nil { // else it is sealed under another
			return inner, lacks
		}
	}
	return nil, lacks
}

// sealedTo opens what a credential hands to this device, be it one that holds or not.
func (s *Space) sealedTo(e credential.Epoch) (key keys.Secret, ok bool) {
	at := slices.IndexFunc(e.Envelopes, func(v credential.Envelope) bool { return v.Device == s.self.Device })
	if at < 0 || s.self.Sealing == nil {
		return key, false
	}
	key, older, err := s.openEnvelope(credential.Grant{Key: e.Key, Control: e.Control, Sealed: e.Envelopes[at].Sealed})
	clear(older)
	return key, err == nil
}

// firstControl is the control key that every member has.
func (s *Space) firstControl() keys.Secret {
	if k, held := s.byID[s.membership.FirstControl()]; held {
		return k
	}
	return s.secrets.Controls[0]
}

// Reseal makes the control block that hands the keys to write under to devices of
// members that lack them; nil if there are none. Such are those who were admitted
// by somebody who did not know of the key yet.
func (s *Space) Reseal() (*Intake, error) {
	if !s.LackKeys() {
		return nil, nil
	}
	return s.handOver(func() (list []credential.Claim, err error) {
		for _, control := range []bool{true, false} {
			_, devices := s.lacking(control)
			if control { // to all: it opens the rest for them
				devices = s.membership.Readers(true)
			}
			if len(devices) > 0 {
				list = append(list, s.newestClaim(control, devices))
			}
		}
		return list, nil
	})
}

// newestClaim hands the newest key of a kind, with older ones, to devices.
func (s *Space) newestClaim(control bool, devices []credential.DeviceInfo) credential.Claim {
	list, _ := s.held(control)
	key := list[len(list)-1]
	return s.epochClaim(key, s.told(control, list[:len(list)-1]), s.membership.EpochParents(key.ID()), control, devices)
}

// handOn is a step that hands the control key to all where not all have it, or a new one
// if that is due, for what follows and hands none.
func (s *Space) handOn() ([]credential.Claim, error) {
	switch {
	case !s.membership.MayWrite(s.self.Device):
		return nil, nil
	case s.RotationDue():
		return s.rotation()
	case s.shared():
		return nil, nil
	}
	return []credential.Claim{s.newestClaim(true, s.membership.Readers(true))}, nil
}
