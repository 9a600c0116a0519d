package invite

import (
	"strings"

	"github.com/echospace/echospace/core/env"
)

const (
	shortCode = 6  // digits
	longCode  = 10 // characters of Crockford's base 32: 50 bits
)

// NewAuthCode draws an auth code, every one with the same chance: ten
// characters of Crockford's base 32 if long (see Invitation.Long), else six
// digits.
func NewAuthCode(e env.Env, long bool) string {
	n, base := shortCode, 10
	if long {
		n, base = longCode, len(alphabet)
	}
	limit := byte(256 / base * base % 256) // 0 stands for 256: nothing is refused
	code := make([]byte, 0, n)
	for len(code) < n {
		for _, c := range e.Bytes(n - len(code)) {
			if limit == 0 || c < limit {
				code = append(code, alphabet[int(c)%base])
			}
		}
	}
	return string(code)
}

// NormalizeAuthCode is the form in which auth codes are compared: upper case,
// without white space and hyphens, O read as 0, I and L as 1. Any text has one.
func NormalizeAuthCode(code string) string { return strings.Map(canonical32, strip(code)) }
