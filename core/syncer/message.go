package syncer

import (
	"fmt"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Types of messages.
const (
	typeHello = 0
	typeHave  = 1
	typeWant  = 2
	typeRun   = 3
	typeNack  = 4
)

const version = 1

// Flags.
const (
	wantHeader  = 1 // of a want: send the feed's header too
	wantRepacks = 2 // of a want: repacks may come instead of plain blocks
	wantFlags   = 3

	runMore  = 1 // of a run: its last block is not signed, more follow
	runLast  = 2 // of a run: the answer to the want ends here
	runFlags = runMore | runLast
)

// Codes of a nack.
const (
	nackNoLink      = 1 // none of the points leads to the head
	nackUnavailable = 2 // the blocks are not, or no more, here
)

// Limits on what a peer may send.
const (
	maxHeads  = 64       // of one feed: a branch more is not offered
	maxPoints = 256      // of one want
	maxBundle = 60 << 10 // aimed at per message
	maxBlock  = feed.MaxBlock + 320<<10
	maxHeader = 1 << 10
)

type haveEntry struct {
	Feed  id.FeedID
	Kind  feed.Kind
	Heads []feed.Ref
}

type haveMessage struct {
	Last    bool
	Entries []haveEntry
}

type wantMessage struct {
	Feed   id.FeedID
	Flags  uint64
	To     feed.Ref
	Points []feed.Ref
}

type runMessage struct {
	Feed   id.FeedID
	Flags  uint64
	Header []byte
	To     feed.Ref
	Blocks [][]byte
}

type nackMessage struct {
	Feed id.FeedID
	To   feed.Ref
	Code uint64
}

func encodeHello() []byte {
	return wire.AppendUint(wire.AppendUint(wire.AppendArray(nil, 2), typeHello), version)
}

func appendPoint(b []byte, r feed.Ref) []byte {
	b = wire.AppendUint(wire.AppendArray(b, 2), r.Seq)
	return wire.AppendBytes(b, r.Hash[:])
}

func appendPoints(b []byte, refs []feed.Ref) []byte {
	b = wire.AppendArray(b, len(refs))
	for _, r := range refs {
		b = appendPoint(b, r)
	}
	return b
}

func (m haveMessage) encode() []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 3), typeHave)
	b = wire.AppendArray(wire.AppendBool(b, m.Last), len(m.Entries))
	for _, e := range m.Entries {
		b = wire.AppendBytes(wire.AppendArray(b, 3), e.Feed[:])
		b = appendPoints(wire.AppendUint(b, uint64(e.Kind)), e.Heads)
	}
	return b
}

func (m wantMessage) encode() []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 5), typeWant)
	b = wire.AppendUint(wire.AppendBytes(b, m.Feed[:]), m.Flags)
	return appendPoints(appendPoint(b, m.To), m.Points)
}

func (m runMessage) encode() []byte {
	size := len(m.Header) + 128
	for _, blk := range m.Blocks {
		size += len(blk) + 5
	}
	b := wire.AppendUint(wire.AppendArray(make([]byte, 0, size), 6), typeRun)
	b = wire.AppendUint(wire.AppendBytes(b, m.Feed[:]), m.Flags)
	b = appendPoint(wire.AppendBytes(b, m.Header), m.To)
	b = wire.AppendArray(b, len(m.Blocks))
	for _, blk := range m.Blocks {
		b = wire.AppendBytes(b, blk)
	}
	return b
}

func (m nackMessage) encode() []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 4), typeNack)
	b = appendPoint(wire.AppendBytes(b, m.Feed[:]), m.To)
	return wire.AppendUint(b, m.Code)
}

// decode reads a message: uint64 (the version of a hello), haveMessage,
// wantMessage, runMessage or nackMessage. The blocks of a run share b's memory.
// Anything else is an errs.Malformed.
func decode(b []byte) (any, error) {
	r := wire.NewReader(b)
	n := r.ArrayLen(6)
	typ := r.Uint(typeNack)
	if r.Err() == nil && n != [...]int{2, 3, 5, 6, 4}[typ] {
		r.Fail(fmt.Errorf("message of type %d with %d elements", typ, n))
	}
	var m any
	switch typ {
	case typeHello:
		m = r.Uint(1 << 32)
	case typeHave:
		m = readHave(r)
	case typeWant:
		var w wantMessage
		r.Fixed(w.Feed[:])
		w.Flags = r.Uint(wantFlags)
		w.To = readPoint(r, w.Feed)
		w.Points = readPoints(r, w.Feed, maxPoints)
		m = w
	case typeRun:
		m = readRun(r)
	case typeNack:
		var k nackMessage
		r.Fixed(k.Feed[:])
		k.To = readPoint(r, k.Feed)
		k.Code = r.Uint(nackUnavailable)
		m = k
	}
	if err := r.Done("syncer.Step"); err != nil {
		return nil, err
	}
	return m, nil
}

func readPoint(r *wire.Reader, f id.FeedID) feed.Ref {
	p := feed.Ref{Feed: f}
	r.Array(2)
	p.Seq = r.Uint(feed.MaxSeq)
	r.Fixed(p.Hash[:])
	if (p.Seq == 0) != id.IsZero(p.Hash) {
		r.Fail(fmt.Errorf("block %d with hash %v", p.Seq, p.Hash))
	}
	return p
}

func readPoints(r *wire.Reader, f id.FeedID, limit int) []feed.Ref {
	var refs []feed.Ref
	for n := r.ArrayLen(limit); n > 0 && r.Err() == nil; n-- {
		refs = append(refs, readPoint(r, f))
	}
	return refs
}

func readHave(r *wire.Reader) haveMessage {
	m := haveMessage{Last: r.Bool()}
	for n := r.ArrayLen(maxFeeds); n > 0 && r.Err() == nil; n-- {
		var e haveEntry
		r.Array(3)
		r.Fixed(e.Feed[:])
		e.Kind = feed.Kind(r.Uint(uint64(feed.Data)))
		e.Heads = readPoints(r, e.Feed, maxHeads)
		m.Entries = append(m.Entries, e)
	}
	return m
}

func readRun(r *wire.Reader) runMessage {
	var m runMessage
	r.Fixed(m.Feed[:])
	m.Flags = r.Uint(runFlags)
	m.Header = r.Bytes(maxHeader)
	m.To = readPoint(r, m.Feed)
	n := r.ArrayLen(1 << 16)
	if r.Err() == nil && (n == 0 || m.To.Seq == 0) {
		r.Fail(fmt.Errorf("a run of %d blocks up to %d", n, m.To.Seq))
	}
	for ; n > 0 && r.Err() == nil; n-- {
		m.Blocks = append(m.Blocks, r.Bytes(maxBlock))
	}
	return m
}

// signed tells whether an encoded block carries a signature. It looks at the
// form only.
func signed(block []byte) bool {
	r := wire.NewReader(block)
	r.Array(3)
	r.Skip()
	r.Skip()
	sig := r.Bytes(64)
	return r.Err() == nil && len(sig) > 0
}
