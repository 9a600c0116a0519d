package feed

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"
)

// First byte of what is sealed.
const (
	rawPayload      = 0
	deflatedPayload = 1
)

// deflaters, coders and inflaters are kept between blocks: making one of them
// takes longer, and more memory, than a small block is worth.
var deflaters, coders, inflaters sync.Pool

// minDeflate is from what size on deflate is tried: of less it takes off a few dozen
// bytes at most, for as long as the signature of a block takes.
const minDeflate = 192

// Pack gives the form that a payload is sealed in: deflated if that is shorter.
func Pack(payload []byte) []byte { return new(packer).pack(payload) }

// packer packs payloads one after the other that are parts of one: what a sample of
// one of them tells holds for some that follow.
type packer struct {
	coded bool // repetitions are not searched for
	known int  // for how many more that holds
}

func (p *packer) pack(payload []byte) []byte {
	if len(payload) >= minDeflate {
		if out := p.deflate(payload); out != nil {
			return out
		}
	}
	return PackRaw(payload)
}

// PackRaw is Pack for what is not worth the time of deflate.
func PackRaw(payload []byte) []byte {
	out := make([]byte, 0, len(payload)+1)
	return append(append(out, rawPayload), payload...)
}

// sampleSize is how much of a payload tells whether it repeats itself; payloads
// of less than bulkSize are not worth the question.
const (
	sampleSize = 8 << 10
	bulkSize   = 3 * sampleSize
	// perSample is how many parts of one payload one sample stands for.
	perSample = 8
)

// deflate gives nil if the result is not shorter. Searching for repetitions
// takes several times as long as coding the bytes by their frequency, so in bulk
// a sample decides whether it wins at least an eighth.
func (p *packer) deflate(payload []byte) []byte {
	if len(payload) >= bulkSize {
		if p.known == 0 {
			p.sample(payload[len(payload)/2:][:sampleSize])
		}
		p.known--
		if p.coded {
			return code(payload)
		}
	}
	return compress(&deflaters, flate.DefaultCompression, payload)
}

// sample decides how payloads like this one are packed. What does not shrink at all,
// as ids, takes longest to search, in vain; mostly something else follows it.
func (p *packer) sample(b []byte) {
	coded := code(b)
	searched := compress(&deflaters, flate.DefaultCompression, b)
	p.coded, p.known = searched == nil || coded != nil && len(searched) > len(coded)-len(coded)/8, perSample
	if searched == nil {
		p.known = 1
	}
}

// code codes bytes by their frequency. It gives nil if the result is not shorter.
func code(payload []byte) []byte {
	return appendHuffman([]byte{deflatedPayload}, payload, len(payload)+1)
}

// compress deflates with a writer of that level, of which the pool has some.
// It gives nil if the result is not shorter.
func compress(pool *sync.Pool, level int, payload []byte) []byte {
	buf := bytes.NewBuffer(make([]byte, 0, len(payload)+1))
	buf.WriteByte(deflatedPayload)
	w, ok := pool.Get().(*flate.Writer)
	if !ok {
		var err error
		if w, err = flate.NewWriter(nil, level); err != nil {
			return nil
		}
	}
	defer pool.Put(w)
	w.Reset(buf)
	// A bytes.Buffer takes every write.
	_, werr := w.Write(payload)
	cerr := w.Close()
	if werr != nil || cerr != nil || buf.Len() > len(payload) {
		return nil
	}
	return buf.Bytes()
}

// Unpack reverses Pack; the result is at most limit bytes, and may share memory
// with packed.
func Unpack(packed []byte, limit int) ([]byte, error) {
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
	r, ok := inflaters.Get().(io.ReadCloser)
	if !ok {
		r = flate.NewReader(src)
	} else if err := r.(flate.Resetter).Reset(src, nil); err != nil {
		return nil, fmt.Errorf("the payload does not inflate: %w", err)
	}
	defer inflaters.Put(r)
	buf := bytes.NewBuffer(make([]byte, 0, min(4*len(body)+bytes.MinRead, limit+1+bytes.MinRead)))
	if _, err := buf.ReadFrom(io.LimitReader(r, int64(limit)+1)); err != nil {
		return nil, fmt.Errorf("the payload does not inflate: %w", err)
	}
	out := buf.Bytes()
	if len(out) > limit {
		return nil, fmt.Errorf("the payload inflates to more than %d bytes", limit)
	}
	if src.Len() > 0 {
		return nil, fmt.Errorf("the payload has %d bytes after its end", src.Len())
	}
	return out, nil
}
