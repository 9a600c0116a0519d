package invite

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// An invitation code is Crockford base 32 of
//
//	version(1) flags(1) swarm key(32) [expiry, seconds, big-endian(5)] checksum(4)
//
// The checksum is that of every version, so that a code of a newer one can be
// told from a mistyped one.
const (
	codeVersion  = 1
	checksumSize = 4
	expirySize   = 5
	plainSize    = 2 + 32 + checksumSize
)

// Flags of a code.
const (
	flagDevice     = 1 << 0
	flagMultiUse   = 1 << 1
	flagPersistent = 1 << 2
	flagExpires    = 1 << 3
	authShift      = 4 // two bits of Auth
	flagsKnown     = 1<<6 - 1
)

// urlKey introduces the code in an address: after # so that it is not sent to
// the server, or as a query parameter.
const urlKey = "invitation="

// Encode gives the code to share: at most 70 characters, which find the host
// and carry neither the auth code nor a key of the space or of a person. The
// expiry is rounded up to the second.
func (inv *Invitation) Encode() string {
	flags := byte(inv.Auth) << authShift
	for _, f := range []struct {
		on  bool
		bit byte
	}{{inv.Kind == Device, flagDevice}, {inv.MultiUse, flagMultiUse}, {inv.Persistent, flagPersistent}, {inv.Expires > 0, flagExpires}} {
		if f.on {
			flags |= f.bit
		}
	}
	b := append([]byte{codeVersion, flags}, inv.SwarmKey[:]...)
	if inv.Expires > 0 {
		var t [8]byte
		binary.BigEndian.PutUint64(t[:], min(uint64(inv.Expires-1)/1000+1, 1<<(8*expirySize)-1))
		b = append(b, t[8-expirySize:]...)
	}
	return encode32(append(b, checksum(b)...))
}

func checksum(b []byte) []byte {
	h := keys.SumLabel("echospace invite checksum", b)
	return h[:checksumSize]
}

// Decode reads a code in lower or upper case, with white space around it and
// hyphens or white space within, or an address that holds it after #invitation=
// or ?invitation=. Whatever else fails with errs.InvalidInvitation, or
// errs.VersionUnsupported for a code of a newer version; the detail "reason" is
// empty, junk, truncated, checksum or version.
func Decode(text string) (Invitation, error) {
	s, err := extract(text)
	if err != nil {
		return Invitation{}, err
	}
	b, bad, whole := decode32(s)
	switch {
	case bad != 0:
		return Invitation{}, refuse("junk", "the text is not an invitation code: %q does not occur in one", bad)
	case len(b) < 2:
		return Invitation{}, refuse("truncated", "the invitation code is cut off after %d characters", len(s))
	case !whole || !sumMatches(b):
		if b[0] == codeVersion && len(b) < codeSize(b[1]) {
			return Invitation{}, refuse("truncated", "the invitation code is cut off after %d characters; copy all of it", len(s))
		}
		return Invitation{}, refuse("checksum", "the invitation code has a wrong checksum; a character was changed, added or left out")
	case b[0] != codeVersion:
		return Invitation{}, errs.New("invite.Decode", errs.VersionUnsupported,
			"the invitation code is of version %d, this version reads %d; update it", b[0], codeVersion).With("reason", "version")
	}
	return decodeFields(b)
}

// decodeFields reads a code whose checksum and version are right. What is
// wrong then was not written by Encode.
func decodeFields(b []byte) (Invitation, error) {
	flags := b[1]
	inv := Invitation{
		Kind:       Kind(flags & flagDevice),
		Auth:       Auth(flags >> authShift),
		SwarmKey:   [32]byte(b[2:34]),
		MultiUse:   flags&flagMultiUse != 0,
		Persistent: flags&flagPersistent != 0,
	}
	if flags&^flagsKnown != 0 || inv.Auth > KnownPublicKey || len(b) != codeSize(flags) {
		return Invitation{}, refuse("junk", "the invitation code has flags %#x and %d bytes, which no invitation has", flags, len(b))
	}
	if flags&flagExpires != 0 {
		var t [8]byte
		copy(t[8-expirySize:], b[34:])
		inv.Expires = int64(binary.BigEndian.Uint64(t[:])) * 1000
		if inv.Expires == 0 {
			return Invitation{}, refuse("junk", "the invitation code has an expiry of zero, which no invitation has")
		}
	}
	inv.ID = deriveID(inv.SwarmKey)
	return inv, nil
}

// extract finds the code in what was pasted and takes out separators.
func extract(text string) (string, error) {
	s := strings.TrimSpace(text)
	if i := indexFold(s, urlKey); i >= 0 {
		s = s[i+len(urlKey):]
		if end := strings.IndexAny(s, "&#"); end >= 0 {
			s = s[:end]
		}
	} else if strings.Contains(s, "://") {
		return "", refuse("junk", "the address holds no invitation: %q is missing", "#"+urlKey)
	}
	if len(s) > math.MaxUint16 {
		return "", refuse("junk", "a text of %d bytes is not an invitation code", len(s))
	}
	s = strip(s)
	if s == "" {
		return "", refuse("empty", "the invitation code is empty")
	}
	return s, nil
}

// indexFold is the place of key after the start of s or one of #?&, in any
// case, or -1.
func indexFold(s, key string) int {
	for i := 0; i+len(key) <= len(s); i++ {
		if (i == 0 || strings.ContainsRune("#?&", rune(s[i-1]))) && strings.EqualFold(s[i:i+len(key)], key) {
			return i
		}
	}
	return -1
}

// strip takes out white space and hyphens of every sort.
func strip(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || unicode.Is(unicode.Pd, c) {
			return -1
		}
		return c
	}, s)
}

// codeSize is the length in bytes of a code of this version with these flags.
func codeSize(flags byte) int {
	if flags&flagExpires != 0 {
		return plainSize + expirySize
	}
	return plainSize
}

// sumMatches reports whether the last bytes are the checksum of the others.
func sumMatches(b []byte) bool {
	n := len(b) - checksumSize
	return n > 0 && string(checksum(b[:n])) == string(b[n:])
}

func refuse(reason, format string, args ...any) error {
	return errs.New("invite.Decode", errs.InvalidInvitation, format, args...).With("reason", reason)
}
