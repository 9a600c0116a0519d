package feed

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
)

// First byte of what is sealed.
const (
	rawPayload      = 0
	deflatedPayload = 1
)

// minDeflate is below what deflate ever shrinks enough to be worth a try.
const minDeflate = 64

// pack puts the form in front of the payload.
func pack(payload []byte) []byte {
	if len(payload) >= minDeflate {
		if out := deflate(payload); out != nil {
			return out
		}
	}
	out := make([]byte, 0, len(payload)+1)
	return append(append(out, rawPayload), payload...)
}

// deflate gives nil if the result is not shorter.
func deflate(payload []byte) []byte {
	buf := bytes.NewBuffer(make([]byte, 0, len(payload)/2+64))
	buf.WriteByte(deflatedPayload)
	w, err := flate.NewWriter(buf, flate.DefaultCompression)
	if err != nil {
		return nil
	}
	// A bytes.Buffer takes every write.
	_, werr := w.Write(payload)
	cerr := w.Close()
	if werr != nil || cerr != nil || buf.Len() > len(payload) {
		return nil
	}
	return buf.Bytes()
}

// unpack reverses pack; the result is at most limit bytes.
func unpack(packed []byte, limit int) ([]byte, error) {
	if len(packed) == 0 {
		return nil, errors.New("the payload has no form byte")
	}
	switch body := packed[1:]; packed[0] {
	case rawPayload:
		if len(body) > limit {
			return nil, fmt.Errorf("the payload has %d bytes, the limit is %d", len(body), limit)
		}
		return body, nil
	case deflatedPayload:
		return inflate(body, limit)
	default:
		return nil, fmt.Errorf("the payload has the unknown form %d", packed[0])
	}
}

func inflate(body []byte, limit int) ([]byte, error) {
	src := bytes.NewReader(body)
	r := flate.NewReader(src)
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("the payload does not inflate: %w", err)
	}
	if len(out) > limit {
		return nil, fmt.Errorf("the payload inflates to more than %d bytes", limit)
	}
	if src.Len() > 0 {
		return nil, fmt.Errorf("the payload has %d bytes after its end", src.Len())
	}
	return out, nil
}
