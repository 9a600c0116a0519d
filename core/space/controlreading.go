package space

import (
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// maxCredentials bounds the credentials of one control block, which may be all of a
// space.
const maxCredentials = 1 << 16

// controlReading reads what a control block says, in pieces: there may be thousands of
// credentials, each of which is verified.
type controlReading struct {
	list []*credential.Credential
	// lacks are the control keys one of which opens the rest, if this device has none of
	// them yet.
	lacks []id.EpochID
	// unsure: what the inner part says is not settled for good. It does not read, so that
	// what is outside counts, for all alike. Or keys come first that are not held, under
	// which it may say something else: the cipher does not bind what is sealed to one key.
	unsure bool

	r      *wire.Reader // of the part that is being read
	decode decoder
	left   int // credentials of it
	inner  bool
	outer  int // how many credentials are outside, once inner is set
	// sealed: there is an inner part.
	sealed bool
}

// decoder is credential.Decode or, of what was read so before, credential.DecodeVerified.
type decoder func([]byte) (*credential.Credential, error)

func beginReading(payload []byte, decode decoder) *controlReading {
	c := &controlReading{r: wire.NewReader(payload), decode: decode}
	parts := c.r.ArrayLen(3)
	c.sealed = parts == 3
	readVersion(c.r, uint64(max(parts-1, 1)))
	c.left = c.r.ArrayLen(maxCredentials)
	return c
}

// readSome goes on with a control block until enough, which may be nil, says so.
func (s *Space) readSome(c *controlReading, enough func() bool) (done bool, err error) {
	const op = "space.control"
	for {
		for c.left > 0 && c.r.Err() == nil {
			c.readOne(s.credentials)
			if c.left--; c.left > 0 && enough != nil && enough() {
				return false, nil
			}
		}
		switch {
		case c.inner:
			if c.r.Done(op) != nil {
				c.list, c.unsure = c.list[:c.outer], true
			}
			return true, nil
		case !c.sealed:
			return true, c.r.Done(op)
		}
		sealed := c.r.Bytes(len(c.r.Rest()))
		if err := c.r.Done(op); err != nil {
			return true, err
		}
		var inner []byte
		if inner, c.lacks = s.openInner(c.list, sealed); inner == nil {
			return true, nil
		}
		if len(c.lacks) > 0 {
			c.lacks, c.unsure, c.decode = nil, true, credential.Decode
		}
		c.inner, c.outer, c.r = true, len(c.list), wire.NewReader(inner)
		c.r.Array(2)
		readVersion(c.r, 1)
		c.left = c.r.ArrayLen(maxCredentials)
	}
}

// readOne reads the next credential. One that is known, which whoever hands keys over
// brings again, is not verified again.
func (c *controlReading) readOne(known map[id.CredentialID]*credential.Credential) {
	raw := c.r.Bytes(credential.MaxSize)
	if c.r.Err() != nil {
		return
	}
	if k := known[credential.IDOf(raw)]; k != nil && k.Is(raw) {
		c.list = append(c.list, k)
		return
	}
	got, err := c.decode(raw)
	if err != nil {
		c.r.Fail(err)
		return
	}
	c.list = append(c.list, got)
}
