package rtc

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// fingerprint finds the certificate fingerprint of a session description
// (RFC 8122): exactly one value, SHA-256, however often it is stated. A
// description with others is refused, since implementations differ in which
// one they check.
func fingerprint(sdp string) (fp [32]byte, err error) {
	const attribute = "a=fingerprint:"
	found := false
	for line := range strings.Lines(sdp) {
		value, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), attribute)
		if !ok {
			continue
		}
		one, err := parseFingerprint(value)
		if err != nil {
			return fp, err
		}
		if found && one != fp {
			return fp, errors.New("description with two fingerprints")
		}
		fp, found = one, true
	}
	if !found {
		return fp, errors.New("description without a fingerprint")
	}
	return fp, nil
}

// parseFingerprint reads "sha-256 AB:CD:...".
func parseFingerprint(s string) (fp [32]byte, err error) {
	algorithm, digits, _ := strings.Cut(s, " ")
	if !strings.EqualFold(algorithm, "sha-256") {
		return fp, fmt.Errorf("fingerprint under %q, want sha-256", algorithm)
	}
	bytes := strings.Split(digits, ":")
	if len(bytes) != len(fp) {
		return fp, fmt.Errorf("fingerprint of %d bytes, want %d", len(bytes), len(fp))
	}
	for i, b := range bytes {
		if len(b) != 2 {
			return fp, fmt.Errorf("fingerprint with byte %q", b)
		}
		if _, err := hex.Decode(fp[i:i+1], []byte(b)); err != nil {
			return fp, fmt.Errorf("fingerprint with byte %q", b)
		}
	}
	return fp, nil
}
