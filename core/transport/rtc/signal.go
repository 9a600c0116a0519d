package rtc

import (
	"fmt"

	"github.com/echospace/echospace/core/wire"
)

// A signaling message is the array [type, text].
type signalType uint8

const (
	signalOffer     signalType = 1 // text is SDP
	signalAnswer    signalType = 2 // text is SDP
	signalCandidate signalType = 3 // text is a candidate-attribute (RFC 8839)
	signalRequest   signalType = 4 // text is empty; asks for an offer that restarts ICE
)

// Limits of the texts in bytes. A description of one data channel with a dozen
// candidates takes some 3 KB.
const (
	maxSDP       = 32 << 10
	maxCandidate = 1 << 10
)

type signalMessage struct {
	Type signalType
	Text string
}

func (m signalMessage) encode() []byte {
	b := wire.AppendUint(wire.AppendArray(make([]byte, 0, len(m.Text)+8), 2), uint64(m.Type))
	return wire.AppendString(b, m.Text)
}

// decodeSignal reads a signaling message; anything but exactly one is an
// errs.Malformed.
func decodeSignal(b []byte) (signalMessage, error) {
	r := wire.NewReader(b)
	r.Array(2)
	m := signalMessage{Type: signalType(r.Uint(uint64(signalRequest)))}
	switch m.Type {
	case signalOffer, signalAnswer:
		m.Text = r.String(maxSDP)
	case signalCandidate:
		m.Text = r.String(maxCandidate)
	case signalRequest:
		m.Text = r.String(0)
	default:
		r.Fail(fmt.Errorf("signaling message of unknown type %d", m.Type))
	}
	return m, r.Done("rtc.Signal")
}
