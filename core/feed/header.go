package feed

import (
	"context"
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// version is the first element of every format of this package.
const version = 1

// sigSize is the size of an Ed25519 signature.
const sigSize = 64

// headerSize bounds an encoded Header: 32 + 32 + 16 bytes, integers, framing.
const headerSize = 128

const (
	headerLabel = "echospace feed header\x00"
	blockLabel  = "echospace feed block\x00"
)

// Kind is what a feed holds.
type Kind uint8

const (
	// Control feeds hold credentials.
	Control Kind = 0
	// Data feeds hold changes of objects.
	Data Kind = 1
)

// String gives "control" or "data".
func (k Kind) String() string {
	if k == Control {
		return "control"
	}
	return "data"
}

// Header says whose feed it is. The random incarnation makes the feed a new
// one each time its writer starts over.
type Header struct {
	Space       id.SpaceKey
	Device      id.DeviceKey
	Slot        uint32
	Incarnation [16]byte
	Kind        Kind
}

// SignedHeader is a Header with its encoding and the device's signature. Make
// it by NewHeader or DecodeHeader, which check, or by DraftHeader and Sign. Once it is
// signed it is immutable.
type SignedHeader struct {
	Header
	// Bytes are the encoded Header, as signed.
	Bytes []byte
	// Sig is by Header.Device.
	Sig [64]byte

	id id.FeedID
}

// NewHeader encodes and signs h. The signer must be that of h.Device.
func NewHeader(ctx context.Context, h Header, s keys.Signer) (*SignedHeader, error) {
	sh, err := DraftHeader(h)
	if err != nil {
		return nil, err
	}
	return sh, sh.Sign(ctx, s)
}

// DraftHeader encodes h. The header is to be signed before anybody gets it; its ID is
// what it will be.
func DraftHeader(h Header) (*SignedHeader, error) {
	if h.Kind > Data {
		return nil, errs.New("feed.NewHeader", errs.InvalidArgument, "kind %d is neither control (0) nor data (1)", uint8(h.Kind))
	}
	b := encodeHeader(h)
	return &SignedHeader{Header: h, Bytes: b, id: id.FeedID(keys.Sum(b))}, nil
}

// Sign signs a header of DraftHeader. The signer must be that of its device.
func (h *SignedHeader) Sign(ctx context.Context, s keys.Signer) error {
	if s.Public() != h.Device {
		return errs.New("feed.NewHeader", errs.InvalidArgument, "the signer is %x, the header's device %v", s.Public(), h.Device)
	}
	sig, err := s.Sign(ctx, append([]byte(headerLabel), h.Bytes...))
	if err != nil {
		return err
	}
	h.Sig = sig
	return nil
}

// DecodeHeader reads what Encode made and checks the signature: errs.Malformed,
// errs.VersionUnsupported, errs.BadKey or errs.BadSignature. It copies b.
func DecodeHeader(b []byte) (*SignedHeader, error) {
	sh, err := ReadHeader(b)
	if err != nil {
		return nil, err
	}
	if err := sh.Verify(); err != nil {
		return nil, err
	}
	return sh, nil
}

// Verify checks the signature: errs.BadKey or errs.BadSignature.
func (h *SignedHeader) Verify() error {
	if err := keys.Verify(h.Device, append([]byte(headerLabel), h.Bytes...), h.Sig[:]); err != nil {
		return errs.New("feed.DecodeHeader", errs.KindOf(err), "the header of feed %v is not signed by its device: %w", h.ID(), err)
	}
	return nil
}

// ReadHeader is DecodeHeader without a look at the signature, which Verify checks.
func ReadHeader(b []byte) (*SignedHeader, error) {
	sh := &SignedHeader{}
	r := wire.NewReader(b)
	r.Array(2)
	sh.Bytes = append([]byte(nil), r.Bytes(headerSize)...)
	r.Fixed(sh.Sig[:])
	if err := r.Done("feed.DecodeHeader"); err != nil {
		return nil, err
	}
	sh.id = id.FeedID(keys.Sum(sh.Bytes))
	return sh, decodeHeader(&sh.Header, sh.Bytes)
}

// Encode gives [bytes, signature].
func (h *SignedHeader) Encode() []byte {
	b := make([]byte, 0, len(h.Bytes)+sigSize+8)
	b = wire.AppendArray(b, 2)
	b = wire.AppendBytes(b, h.Bytes)
	return wire.AppendBytes(b, h.Sig[:])
}

// ID names the feed.
func (h *SignedHeader) ID() id.FeedID { return h.id }

func encodeHeader(h Header) []byte {
	b := wire.AppendArray(make([]byte, 0, headerSize), 6)
	b = wire.AppendUint(b, version)
	b = wire.AppendBytes(b, h.Space[:])
	b = wire.AppendBytes(b, h.Device[:])
	b = wire.AppendUint(b, uint64(h.Slot))
	b = wire.AppendBytes(b, h.Incarnation[:])
	return wire.AppendUint(b, uint64(h.Kind))
}

func decodeHeader(h *Header, b []byte) error {
	const op = "feed.DecodeHeader"
	r := wire.NewReader(b)
	n := r.ArrayLen(math.MaxInt32)
	if err := checkVersion(r, op); err != nil {
		return err
	}
	if n != 6 {
		return errs.New(op, errs.Malformed, "a header of %d fields, want 6", n)
	}
	r.Fixed(h.Space[:])
	r.Fixed(h.Device[:])
	h.Slot = uint32(r.Uint(math.MaxUint32))
	r.Fixed(h.Incarnation[:])
	h.Kind = Kind(r.Uint(uint64(Data)))
	return r.Done(op)
}

// checkVersion reads the version, the first element of an array. A newer one
// may have other fields, so it is told before anything else is looked at.
func checkVersion(r *wire.Reader, op string) error {
	v := r.Uint(math.MaxUint64)
	if r.Err() == nil && v != version {
		return errs.New(op, errs.VersionUnsupported, "format version %d, this version reads %d", v, version)
	}
	return nil
}
