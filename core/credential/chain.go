package credential

import (
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// link is one step of a chain: issuer vouches for key.
type link struct {
	issuer   [32]byte
	key      [32]byte
	recovery bool // key is a recovery key, no device
	device   Device
}

// linkOf gives the link that a credential is, if it is one.
func linkOf(c *Credential) (l link, identity id.IdentityKey, ok bool) {
	switch claim := c.Claim.(type) {
	case Device:
		return link{issuer: c.Issuer, key: claim.Device, device: claim}, claim.Identity, true
	case Recovery:
		return link{issuer: c.Issuer, key: claim.Key, recovery: true}, claim.Identity, true
	}
	return link{}, id.IdentityKey{}, false
}

// VerifyChain follows a chain of encoded credentials from the identity key to
// a device, and gives the device's sealing key. Each is a Device (or Recovery)
// of the identity, issued by the identity key or by a key that an earlier one
// established; the last is that of the device. Everything else is an
// errs.BadCredential, or the error of Decode: a missing link, a claim of
// another type or about another identity, an issuer from outside, a circle.
func VerifyChain(identity id.IdentityKey, device id.DeviceKey, chain [][]byte) (sealing [32]byte, err error) {
	links, err := readChain(identity, chain, verify)
	if err != nil {
		return sealing, err
	}
	last := links[len(links)-1]
	if last.recovery || last.key != [32]byte(device) {
		return sealing, errs.New("credential.VerifyChain", errs.BadCredential, "the chain of identity %v ends at %x, not at device %v", identity, last.key, device)
	}
	return last.device.Sealing, nil
}

// readChain decodes and checks a chain, which has one link at least.
func readChain(identity id.IdentityKey, chain [][]byte, how reading) ([]link, error) {
	const op = "credential.VerifyChain"
	if len(chain) == 0 || len(chain) > maxChain {
		return nil, errs.New(op, errs.BadCredential, "a chain of %d credentials for identity %v, want 1 to %d", len(chain), identity, maxChain)
	}
	links := make([]link, 0, len(chain))
	known := map[[32]byte]bool{identity: true}
	for i, raw := range chain {
		c, err := decode(raw, how|nested)
		if err != nil {
			return nil, err
		}
		l, of, ok := linkOf(c)
		switch {
		case !ok:
			return nil, errs.New(op, errs.BadCredential, "credential %d of the chain has claim type %d, which makes no device", i, c.Claim.Type())
		case of != identity:
			return nil, errs.New(op, errs.BadCredential, "credential %d of the chain is about identity %v, not %v", i, of, identity)
		case !known[l.issuer]:
			return nil, errs.New(op, errs.BadCredential, "credential %d of the chain is issued by %x, which nothing before it makes a key of identity %v", i, l.issuer, identity)
		case known[l.key]:
			return nil, errs.New(op, errs.BadCredential, "credential %d of the chain names %x again", i, l.key)
		}
		known[l.key] = true
		links = append(links, l)
	}
	return links, nil
}
