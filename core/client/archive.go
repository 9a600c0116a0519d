package client

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// An archive of a space is
//
//	magic, version uint16, length uint64 of the whole file, sections, hash
//
// with the integers big-endian. Every version begins and ends so: the hash is
// h(n) over all bytes before it in n pieces of 64 KiB, h(i) the labelled
// BLAKE2b-256 of h(i-1) and piece i, h(0) zero. A section is, in package wire,
//
//	[kind, length, bin]   the content, deflated, and how long it is
//
// and in version 1 the sections are, in this order:
//
//	1  [created, history bool, objects, changes]: when the archive was made, in
//	   milliseconds since 1970; whether it holds the history; and how many
//	   objects and changes it holds, the properties object not counted
//	2  objects: ops of objectdb.State, whole ops, in the order of creation; any
//	   number of these sections
//	3  [[feed bin32, identity bin32|nil, name str|nil]...]: the feeds of the
//	   history, one for each branch, and who wrote them; with history only
//	4  changes: [feed, ops, [distance...], payload bin|nil]...: the place of its
//	   feed in section 3, how many ops it has, how far in front of it the changes
//	   stand that it follows at once, and what it does (objectdb/payload.go), nil
//	   for one that does nothing; any number of these sections
//
// Nothing is encrypted.
const archiveVersion = 1

var archiveMagic = []byte("\x89echospace\r\n\x1a\n")

const (
	archiveHead  = 14 + 2 + 8
	archiveLabel = "echospace archive"
	hashPiece    = 64 << 10

	sectionAbout   = 1
	sectionObjects = 2
	sectionFeeds   = 3
	sectionChanges = 4

	// sectionSize is about how much content one section gets.
	sectionSize = 128 << 10
	// maxSection bounds the content of one section: one change of any size fits.
	maxSection = feed.MaxChange + 1<<20
	// maxArchive bounds the content of an archive.
	maxArchive = 1 << 30
	// maxRatio is what deflate cannot exceed (RFC 1951: 258 bytes in 2 bits).
	maxRatio = 1032
	// maxLines bounds the feeds of a history.
	maxLines = 1 << 16
)

// about is the first section.
type about struct {
	created          uint64
	history          bool
	objects, changes uint64
}

func (a about) encode() []byte {
	b := wire.AppendArray(nil, 4)
	b = wire.AppendUint(b, a.created)
	b = wire.AppendBool(b, a.history)
	b = wire.AppendUint(b, a.objects)
	return wire.AppendUint(b, a.changes)
}

func decodeAbout(b []byte) (a about, err error) {
	r := wire.NewReader(b)
	r.Array(4)
	a.created = r.Uint(math.MaxInt64)
	a.history = r.Bool()
	a.objects, a.changes = r.Uint(math.MaxInt32), r.Uint(math.MaxInt32)
	return a, archiveError(r.Done("client.importSpace"))
}

// author is a feed of a history and who wrote it, as far as is known.
type author struct {
	feed     id.FeedID
	identity id.IdentityKey
	name     string
}

// maxAuthor bounds the name of an author.
const maxAuthor = 4 << 10

func encodeAuthors(list []author) []byte {
	b := wire.AppendArray(nil, len(list))
	for _, a := range list {
		b = wire.AppendArray(b, 3)
		b = wire.AppendBytes(b, a.feed[:])
		if id.IsZero(a.identity) {
			b = wire.AppendNil(b)
		} else {
			b = wire.AppendBytes(b, a.identity[:])
		}
		if a.name == "" {
			b = wire.AppendNil(b)
		} else {
			b = wire.AppendString(b, a.name)
		}
	}
	return b
}

func decodeAuthors(b []byte) (list []author, err error) {
	r := wire.NewReader(b)
	for n := r.ArrayLen(maxLines); n > 0 && r.Err() == nil; n-- {
		var a author
		r.Array(3)
		r.Fixed(a.feed[:])
		if !r.SkipNil() {
			r.Fixed(a.identity[:])
		}
		if !r.SkipNil() {
			a.name = r.String(maxAuthor)
		}
		list = append(list, a)
	}
	return list, archiveError(r.Done("client.importSpace"))
}

// archivedChange is a change of section 4. Its payload is nil if it does nothing.
type archivedChange struct {
	line    int
	ops     uint64
	parents []int // their places
	payload []byte
}

// encode appends the change, which is at a place.
func (c *archivedChange) encode(b []byte, place int) []byte {
	b = wire.AppendArray(b, 4)
	b = wire.AppendUint(b, uint64(c.line))
	b = wire.AppendUint(b, c.ops)
	b = wire.AppendArray(b, len(c.parents))
	for _, p := range c.parents {
		b = wire.AppendUint(b, uint64(place-p))
	}
	if c.payload == nil {
		return wire.AppendNil(b)
	}
	return wire.AppendBytes(b, c.payload)
}

// readChange reads the change at a place.
func readChange(r *wire.Reader, place int) (c archivedChange) {
	r.Array(4)
	c.line = int(r.Uint(maxLines))
	c.ops = r.Uint(feed.MaxOps)
	for n := r.ArrayLen(feed.MaxDeltas + 1); n > 0 && r.Err() == nil; n-- {
		c.parents = append(c.parents, place-int(r.Uint(math.MaxInt32)))
	}
	if !r.SkipNil() {
		c.payload = r.Bytes(feed.MaxChange)
	}
	return c
}

// archiveError gives an error of reading a part of an archive.
func archiveError(err error) error {
	if err == nil {
		return nil
	}
	return damaged("a part of it does not read: %w", err)
}

func damaged(format string, args ...any) error {
	return errs.New("client.importSpace", errs.Malformed, "the archive is damaged; "+format, args...)
}

// packer makes sections. rest is called between pieces of work.
type packer struct {
	rest    func()
	deflate *flate.Writer
	total   uint64
}

// section gives a section with that content.
func (p *packer) section(kind uint64, content []byte) ([]byte, error) {
	var packed bytes.Buffer
	if p.deflate == nil {
		w, err := flate.NewWriter(nil, flate.DefaultCompression)
		if err != nil {
			return nil, errs.Wrap("client.export", errs.Internal, err)
		}
		p.deflate = w
	}
	p.deflate.Reset(&packed)
	for rest := content; len(rest) > 0; p.rest() {
		n := min(len(rest), hashPiece)
		_, _ = p.deflate.Write(rest[:n]) // a bytes.Buffer takes every write
		rest = rest[n:]
	}
	_ = p.deflate.Close()
	if len(content) > maxSection {
		return nil, errs.New("client.export", errs.TooLarge, "%d bytes in one part of an archive, the limit is %d", len(content), maxSection)
	}
	b := wire.AppendUint(wire.AppendArray(make([]byte, 0, packed.Len()+16), 3), kind)
	return wire.AppendBytes(wire.AppendUint(b, uint64(len(content))), packed.Bytes()), nil
}

// sealArchive joins sections to an archive.
func sealArchive(sections [][]byte, rest func()) []byte {
	size := archiveHead + id.HashSize
	for _, s := range sections {
		size += len(s)
	}
	b := append(make([]byte, 0, size), archiveMagic...)
	b = binary.BigEndian.AppendUint16(b, archiveVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	for _, s := range sections {
		b = append(b, s...)
	}
	sum := sumArchive(b, rest)
	return append(b, sum[:]...)
}

func sumArchive(b []byte, rest func()) (h id.Hash) {
	for len(b) > 0 {
		n := min(len(b), hashPiece)
		h = keys.SumLabel(archiveLabel, h[:], b[:n])
		b = b[n:]
		rest()
	}
	return h
}

// section is a part of an archive as it lies in it.
type section struct {
	kind   uint64
	length int
	packed []byte
}

// readArchive checks an archive as a whole and gives its sections, which share
// its memory.
//
// Errors: errs.InvalidArgument for what is no archive, errs.Malformed for one
// that is cut or altered, errs.VersionUnsupported, errs.TooLarge.
func readArchive(b []byte, rest func()) ([]section, error) {
	const op = "client.importSpace"
	if len(b) < len(archiveMagic) || !bytes.Equal(b[:len(archiveMagic)], archiveMagic) {
		return nil, errs.New(op, errs.InvalidArgument, "these %d bytes are not an archive of a space; take a file that export() made", len(b))
	}
	if len(b) < archiveHead+id.HashSize {
		return nil, damaged("it is cut off: %d bytes are fewer than any archive has", len(b))
	}
	version := binary.BigEndian.Uint16(b[len(archiveMagic):])
	length := binary.BigEndian.Uint64(b[len(archiveMagic)+2:])
	if length > uint64(len(b)) {
		return nil, damaged("it is cut off: %d of %d bytes are there", len(b), length)
	}
	body, sum := b[:len(b)-id.HashSize], b[len(b)-id.HashSize:]
	if got := sumArchive(body, rest); length < uint64(len(b)) || !bytes.Equal(got[:], sum) {
		return nil, damaged("its %d bytes do not have the hash that it ends with, or it should end before", len(b))
	}
	if version != archiveVersion {
		return nil, errs.New(op, errs.VersionUnsupported, "the archive has version %d and this Echospace reads %d; load the newer version", version, archiveVersion)
	}
	return readSections(body[archiveHead:])
}

func readSections(b []byte) (list []section, err error) {
	r := wire.NewReader(b)
	total := uint64(0)
	last := uint64(0)
	for r.Err() == nil && r.Offset() < len(b) {
		var s section
		r.Array(3)
		s.kind = r.Uint(math.MaxUint8)
		n := r.Uint(math.MaxUint64)
		s.packed = r.Bytes(math.MaxInt32)
		switch {
		case r.Err() != nil:
		case s.kind < last || s.kind > sectionChanges || s.kind == last && (last == sectionAbout || last == sectionFeeds) || last == 0 && s.kind != sectionAbout:
			return nil, damaged("a part of kind %d comes after one of kind %d", s.kind, last)
		case n > maxSection || n > maxArchive-total:
			return nil, errs.New("client.importSpace", errs.TooLarge, "the archive holds more than %d bytes, or more than %d in one part", maxArchive, maxSection)
		case n > maxRatio*uint64(len(s.packed)):
			return nil, damaged("%d bytes cannot be in %d", n, len(s.packed))
		}
		s.length = int(n)
		total += n
		last = s.kind
		list = append(list, s)
	}
	if err := archiveError(r.Done("client.importSpace")); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, damaged("it says nothing about itself")
	}
	return list, nil
}

// content inflates a section: exactly as much as it says. The caller owns the
// bytes.
func (s section) content(rest func()) ([]byte, error) {
	src := bytes.NewReader(s.packed)
	inflate := flate.NewReader(src)
	out := make([]byte, s.length)
	for b := out; len(b) > 0; rest() {
		n := min(len(b), hashPiece)
		if _, err := io.ReadFull(inflate, b[:n]); err != nil {
			return nil, damaged("a part of it does not inflate: %w", err)
		}
		b = b[n:]
	}
	var more [1]byte
	if n, err := inflate.Read(more[:]); n > 0 || err != io.EOF {
		return nil, damaged("a part of it is longer than it says")
	}
	if src.Len() > 0 {
		return nil, damaged("a part of it has %d bytes after its end", src.Len())
	}
	return out, nil
}
