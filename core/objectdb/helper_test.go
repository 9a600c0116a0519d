package objectdb

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// Encoders of local ops and values, for tests.

func vNil() []byte            { return wire.AppendNil(nil) }
func vInt(v int64) []byte     { return wire.AppendInt(nil, v) }
func vFloat(v float64) []byte { return wire.AppendFloat(nil, v) }
func vStr(v string) []byte    { return wire.AppendString(nil, v) }
func vText(v string) []byte   { return vTyped(valueText, vStr(v)) }
func vTyped(t int, b []byte) []byte {
	return append(wire.AppendUint(wire.AppendArray(nil, 2), uint64(t)), b...)
}

// vMap encodes a map; the values are encoded.
func vMap(m map[string][]byte) []byte {
	ks := make([]string, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	sort.Strings(ks)
	b := wire.AppendUint(wire.AppendArray(nil, 1+2*len(m)), valueMap)
	for _, k := range ks {
		b = append(wire.AppendString(b, k), m[k]...)
	}
	return b
}

func opHead(code int, obj id.ObjectID) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, localArity[code]), uint64(code))
	return wire.AppendBytes(b, obj[:])
}

// opPath encodes a path of keys and places in lists.
func opPath[K any](path []K) []byte {
	b := wire.AppendArray(nil, len(path))
	for _, k := range path {
		switch k := any(k).(type) {
		case string:
			b = wire.AppendString(b, k)
		case int:
			b = wire.AppendUint(b, uint64(k))
		}
	}
	return b
}

func vList(items ...[]byte) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 1+len(items)), valueList)
	return append(b, slices.Concat(items...)...)
}

func opSplice(obj id.ObjectID, at, removed int, items [][]byte, path ...any) []byte {
	b := append(opHead(localSplice, obj), opPath(path)...)
	b = wire.AppendUint(wire.AppendUint(b, uint64(at)), uint64(removed))
	return append(wire.AppendArray(b, len(items)), slices.Concat(items...)...)
}

func opMove(obj id.ObjectID, from, to int, path ...any) []byte {
	b := append(opHead(localMove, obj), opPath(path)...)
	return wire.AppendUint(wire.AppendUint(b, uint64(from)), uint64(to))
}

func opCreate(obj id.ObjectID, m map[string][]byte) []byte {
	return append(opHead(localCreate, obj), vMap(m)...)
}
func opSet(obj id.ObjectID, v []byte, path ...any) []byte {
	return append(append(opHead(localSet, obj), opPath(path)...), v...)
}
func opAdd(obj id.ObjectID, n int64, path ...any) []byte {
	return append(append(opHead(localAdd, obj), opPath(path)...), vInt(n)...)
}
func opEdit(obj id.ObjectID, pos, deleted int, inserted string, path ...any) []byte {
	b := append(opHead(localEdit, obj), opPath(path)...)
	b = wire.AppendUint(wire.AppendUint(b, uint64(pos)), uint64(deleted))
	return wire.AppendString(b, inserted)
}
func opDelKey(obj id.ObjectID, path ...any) []byte {
	return append(opHead(localDelKey, obj), opPath(path)...)
}
func opDelete(obj id.ObjectID) []byte  { return opHead(localDelete, obj) }
func opRestore(obj id.ObjectID) []byte { return opHead(localRestore, obj) }

func objID(n int) (v id.ObjectID) {
	v[0] = 0x0b
	binary.BigEndian.PutUint64(v[8:], uint64(n))
	return v
}

func feedID(n int) (v id.FeedID) {
	v[0], v[31] = byte(n*37), byte(n)
	return v
}

// contentOf is all of a text.
func contentOf(t failer, db *DB, x Text) string {
	t.Helper()
	b, err := db.AppendText(nil, x, 0, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// site is a database with its writer and what it wrote.
type site struct {
	t    testing.TB
	db   *DB
	feed id.FeedID
	head feed.Ref
	sent []Block

	images bool // it reloads from images of its database
}

// sources are what the databases of sites name their items by.
var sources uint64

func newSite(t testing.TB, n int) *site {
	sources++
	s := &site{t: t, db: New(Options{Source: sources}), feed: feedID(n)}
	s.db.SetWriter(s.feed, feed.Ref{Feed: s.feed})
	s.db.many, s.db.holdOps, s.db.holdStep = 3, 1, 1
	return s
}

// twin is another engine with a copy of the profile as it is stored.
func (s *site) twin() *site {
	s.t.Helper()
	s.flush()
	twin := newSite(s.t, int(s.feed[31]))
	twin.apply(s.sent...)
	twin.db.SetWriter(twin.feed, s.head)
	twin.head = s.head
	return twin
}

// leave has a site that found its feed forked write to another.
func (s *site) leave(n int) {
	s.feed = feedID(n)
	s.head = feed.Ref{Feed: s.feed}
	s.db.SetWriter(s.feed, s.head)
}

func (s *site) do(ops ...[]byte) {
	s.t.Helper()
	var all []byte
	for _, o := range ops {
		all = append(all, o...)
	}
	if err := s.db.Local(all, 1000); err != nil {
		s.t.Fatal(err)
	}
}

// flush makes blocks of the bursts.
func (s *site) flush() []Block {
	var out []Block
	for {
		b, ok := s.db.Cut()
		if !ok {
			s.sent = append(s.sent, out...)
			return out
		}
		blk := blockOf(s.db, s.feed, s.head, b)
		s.db.Written(blk.Ref, b)
		s.head = blk.Ref
		out = append(out, blk)
	}
}

// blockOf is the block of a burst; as by a random nonce no two writers make the same.
func blockOf(db *DB, f id.FeedID, prev feed.Ref, b *Burst) Block {
	var seq [16]byte
	binary.BigEndian.PutUint64(seq[:], prev.Seq+1)
	binary.BigEndian.PutUint64(seq[8:], db.source)
	h := keys.SumLabel("test block", f[:], seq[:], prev.Hash[:], b.Payload, fmt.Append(nil, b.Deltas))
	return Block{Ref: feed.Ref{Feed: f, Seq: prev.Seq + 1, Hash: h}, Prev: prev.Hash, Deltas: b.Deltas, Ops: b.Ops, Payload: b.Payload}
}

func (s *site) apply(blocks ...Block) {
	s.t.Helper()
	for _, b := range blocks {
		s.prepare(b, int(b.Ref.Hash[0]%6), int(b.Ref.Hash[1]%4))
		if err := s.db.Apply(b); err != nil {
			s.t.Fatal(err)
		}
	}
}

// prepare calls ApplySome so often, each time for so many questions and one.
func (s *site) prepare(b Block, calls, events int) {
	for done := false; !done && calls > 0; calls-- {
		left := events
		var err error
		done, err = s.db.ApplySome(b, func() bool {
			left--
			return left < 0
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// sync exchanges everything between sites.
func sync(sites ...*site) {
	for _, s := range sites {
		s.flush()
	}
	for _, from := range sites {
		for _, to := range sites {
			if from != to {
				to.apply(from.sent...)
			}
		}
	}
}

// text prints the encoded value at r for people: {a:1 b:"x"}.
func text(r *wire.Reader) string {
	switch r.Peek() {
	case wire.Nil:
		r.Nil()
		return "nil"
	case wire.Bool:
		return fmt.Sprint(r.Bool())
	case wire.Uint:
		return fmt.Sprint(r.Uint(math.MaxUint64))
	case wire.Int:
		return fmt.Sprint(r.Int())
	case wire.Float:
		return fmt.Sprintf("%gf", r.Float())
	case wire.String:
		return fmt.Sprintf("%q", r.String(math.MaxInt32))
	case wire.Bytes:
		return fmt.Sprintf("x%x", r.Bytes(math.MaxInt32))
	}
	n := r.ArrayLen(math.MaxInt32)
	if n > 0 && r.Peek() == wire.Uint {
		t := r.Uint(math.MaxUint64)
		if t == valueList { // of a record: items with their numbers
			var items []string
			for range n / 2 {
				r.Uint(math.MaxUint64)
				items = append(items, text(r))
			}
			return "[" + strings.Join(items, " ") + "]"
		}
		if t != valueMap {
			return fmt.Sprintf("%d(%s)", t, text(r))
		}
	}
	var parts []string
	for range n / 2 {
		k := r.String(math.MaxInt32)
		parts = append(parts, k+":"+text(r))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func encodedText(b []byte) string {
	if len(b) == 0 {
		return "deleted"
	}
	return text(wire.NewReader(b))
}

// record is a decoded record.
type record struct {
	object   id.ObjectID
	deleted  bool
	contents string
	raw      []byte // of the contents
	lamport  uint64
	creator  id.FeedID
}

func readRecord(t failer, r *wire.Reader) (rec record) {
	t.Helper()
	r.Array(5)
	r.Fixed(rec.object[:])
	rec.deleted = r.Uint(1) == 1
	rec.raw = r.Skip()
	rec.lamport = r.Uint(math.MaxUint64)
	r.Fixed(rec.creator[:])
	if r.Err() != nil {
		t.Fatalf("record: %v", r.Err())
	}
	rec.contents = text(wire.NewReader(rec.raw))
	return rec
}

func (s *site) read(obj id.ObjectID) record {
	s.t.Helper()
	b, ok := s.db.Read(obj)
	if !ok {
		s.t.Fatalf("object %s is not there", obj)
	}
	r := wire.NewReader(b)
	rec := readRecord(s.t, r)
	if err := r.Done("record"); err != nil {
		s.t.Fatal(err)
	}
	return rec
}

func (s *site) want(obj id.ObjectID, contents string) {
	s.t.Helper()
	if got := s.read(obj).contents; got != contents {
		s.t.Errorf("object holds %s, want %s", got, contents)
	}
}

// mirror is what a page holds: the lists of its queries, kept by Changes.
type mirror struct {
	lists   map[uint32][]id.ObjectID
	records map[id.ObjectID]record
	changed map[uint32]map[id.ObjectID]bool
	texts   map[Text][]uint16               // those that are watched
	marks   map[Text][]attributes           // of each of their units
	moved   map[uint32]map[id.ObjectID]bool // in the last batch; false: left
}

func splitIDs(b []byte) (out []id.ObjectID) {
	for ; len(b) > 0; b = b[id.ShortSize:] {
		out = append(out, id.ObjectID(b[:id.ShortSize]))
	}
	return out
}

func newMirror() *mirror {
	return &mirror{lists: map[uint32][]id.ObjectID{}, records: map[id.ObjectID]record{}, changed: map[uint32]map[id.ObjectID]bool{}, moved: map[uint32]map[id.ObjectID]bool{}, texts: map[Text][]uint16{}, marks: map[Text][]attributes{}}
}

// watch has the mirror follow a text.
func (m *mirror) watch(t failer, db *DB, x Text) {
	t.Helper()
	if err := db.WatchText(x, true); err != nil {
		t.Fatal(err)
	}
	m.texts[x] = utf16.Encode([]rune(contentOf(t, db, x)))
	m.marks[x] = unitMarks(t, db, x)
}

func (m *mirror) edits(t failer, r *wire.Reader) {
	t.Helper()
	for n := r.ArrayLen(math.MaxInt32); n > 0; n-- {
		k := (r.ArrayLen(math.MaxInt32) - 1) / 5
		x := Text(r.Uint(math.MaxInt32))
		for range k {
			pos, deleted := int(r.Uint(math.MaxInt32)), int(r.Uint(math.MaxInt32))
			formats := r.SkipNil()
			var inserted []uint16
			if !formats {
				inserted = utf16.Encode([]rune(r.String(math.MaxInt32)))
			}
			r.Bool()
			a := readAttributes(r)
			if pos+deleted > len(m.texts[x]) {
				t.Fatalf("text %d: %d deleted at %d of %d", x, deleted, pos, len(m.texts[x]))
			}
			if formats {
				for i := pos; i < pos+deleted; i++ {
					m.marks[x][i] = a.over(m.marks[x][i])
				}
				continue
			}
			m.texts[x] = slices.Replace(m.texts[x], pos, pos+deleted, inserted...)
			m.marks[x] = slices.Replace(m.marks[x], pos, pos+deleted, slices.Repeat([]attributes{a}, len(inserted))...)
		}
	}
}

// drain applies all Changes as the contract says and gives the batches.
func (m *mirror) drain(t failer, db *DB, limit int) (batches int) {
	t.Helper()
	for {
		b := db.Changes(limit)
		if b == nil {
			return batches
		}
		batches++
		r := wire.NewReader(b)
		r.Array(4)
		for n := r.ArrayLen(math.MaxInt32); n > 0; n-- {
			rec := readRecord(t, r)
			m.records[rec.object] = rec
		}
		for n := r.ArrayLen(math.MaxInt32); n > 0; n-- {
			m.result(t, r)
		}
		m.edits(t, r)
		more := r.Bool()
		if err := r.Done("changes"); err != nil {
			t.Fatal(err)
		}
		if !more {
			return batches
		}
	}
}

func (m *mirror) result(t failer, r *wire.Reader) {
	r.Array(4)
	q := uint32(r.Uint(math.MaxUint32))
	list := m.lists[q]
	m.moved[q] = map[id.ObjectID]bool{}
	for n := r.ArrayLen(math.MaxInt32); n > 0; n-- {
		r.Array(2)
		at := int(r.Uint(math.MaxInt32))
		var v id.ObjectID
		r.Fixed(v[:])
		if at >= len(list) || list[at] != v {
			t.Fatalf("query %d: removed %s is not at %d of %v", q, v, at, list)
		}
		list = append(list[:at], list[at+1:]...)
		m.moved[q][v] = false
	}
	last := -1
	for n := r.ArrayLen(math.MaxInt32); n > 0; n-- {
		r.Array(2)
		at := int(r.Uint(math.MaxInt32))
		var v id.ObjectID
		r.Fixed(v[:])
		if at <= last || at > len(list) {
			t.Fatalf("query %d: added at %d after %d in a list of %d", q, at, last, len(list))
		}
		last = at
		list = append(list[:at], append([]id.ObjectID{v}, list[at:]...)...)
		if _, left := m.moved[q][v]; left {
			m.moved[q][v] = true
		}
	}
	m.lists[q] = list
	for _, v := range splitIDs(r.Bytes(math.MaxInt32)) {
		if m.changed[q] == nil {
			m.changed[q] = map[id.ObjectID]bool{}
		}
		m.changed[q][v] = true
	}
}

// failer is what testing.TB and rapid.T have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// watchQuery opens a live query, and gives what says which objects, by the last
// bytes of their ids, its result is to hold by now.
func (s *site) watchQuery(query []byte) (want func(...int)) {
	s.t.Helper()
	n, ids, err := s.db.OpenQuery(query)
	if err != nil {
		s.t.Fatal(err)
	}
	m := newMirror()
	m.lists[n] = splitIDs(ids)
	return func(want ...int) {
		s.t.Helper()
		m.drain(s.t, s.db, 1<<10)
		var got []int
		for _, v := range m.lists[n] {
			got = append(got, int(v[15]))
		}
		if !slices.Equal(got, want) {
			s.t.Errorf("the result holds %v, want %v", got, want)
		}
	}
}

// seeds runs a random program with n seeds, each of which is in the name of its test.
func seeds(t *testing.T, n uint64, program func(t *testing.T, seed uint64)) {
	base := rand.Uint64()
	for seed := base; seed != base+n; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { program(t, seed) })
	}
}

// backAndForth takes all of a site's steps back and does them again, so many times,
// and says after each how many are done.
func (s *site) backAndForth(times, steps int, done func(n int)) {
	s.t.Helper()
	for range times {
		for n := steps - 1; n >= 0; n-- {
			s.undo(true)
			done(n)
		}
		s.undo(false)
		for n := range steps {
			s.redo(true)
			done(n + 1)
		}
		s.redo(false)
	}
}
