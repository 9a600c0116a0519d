package objectdb

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
)

// undoRecords are steps as storage has them.
type undoRecords map[uint64][]byte

func (u undoRecords) take(records []UndoRecord) {
	for _, r := range records {
		if delete(u, r.Serial); r.Bytes != nil {
			u[r.Serial] = r.Bytes
		}
	}
}

// store is flush with what of the undo stack goes with the blocks.
func (s *site) store(to undoRecords) {
	for {
		b, ok := s.db.Cut()
		if !ok {
			to.take(s.db.CutUndo())
			return
		}
		blk := blockOf(s.db, s.feed, s.head, b)
		to.take(s.db.CutUndo(WrittenBurst{b, blk.Ref}))
		s.db.Written(blk.Ref, b)
		s.head = blk.Ref
		s.sent = append(s.sent, blk)
	}
}

// reload has a site begin again with what it stored.
func (s *site) reload(stored undoRecords, all ...*site) (bad []uint64) {
	s.t.Helper()
	s.store(stored)
	before := s.db
	sources++
	if s.images {
		s.db, all = mustRestore(s.t, imageOf(s.t, before), sources), nil
	} else {
		s.db = New(Options{Source: sources})
	}
	for applied := true; applied; {
		applied = false
		for _, from := range all {
			for _, b := range from.sent {
				if before.Has(b.Ref) && !s.db.Has(b.Ref) && s.db.Ready(b) {
					s.apply(b)
					applied = true
				}
			}
		}
	}
	s.db.SetWriter(s.feed, s.head)
	var records []UndoRecord
	for serial, b := range stored {
		records = append(records, UndoRecord{serial, b})
	}
	return s.db.RestoreUndo(records)
}

// TestUndo_O12_survivesReload: what was done before a reload is taken back after.
func TestUndo_O12_survivesReload(t *testing.T) {
	for name, images := range map[string]bool{"blocks": false, "an image": true} {
		t.Run("of "+name, func(t *testing.T) { undoAcrossReloads(t, images) })
	}
}

func undoAcrossReloads(t *testing.T, images bool) {
	one := objID(1)
	a, b := newSite(t, 1), newSite(t, 2)
	a.images = images
	a.do(opCreate(one, map[string][]byte{
		"a": vInt(1), "n": vTyped(valueCounter, vInt(0)), "t": vText("hello"), "m": vMap(map[string][]byte{"x": vInt(1)}),
		"l": vList(vMap(map[string][]byte{"x": vInt(1)}), vInt(2), vInt(3)),
	}))
	a.db.ClearUndo()
	sync(a, b)
	states := []string{showAll(a.db)}
	for _, ops := range [][]byte{
		append(opMessage("first"), opSet(one, vInt(2), "a")...),
		opSet(one, vStr("a value that is longer than seven bytes"), "a"),
		opAdd(one, 7, "n"),
		opEdit(one, 5, 0, " world", "t"),
		opEdit(one, 1, 3, "\U0001f600", "t"),
		opDelKey(one, "m"),
		opSet(one, vInt(9), "l", 1),
		opSplice(one, 0, 1, nil, "l"),
		opMove(one, 0, 1, "l"),
		opSplice(one, 1, 0, [][]byte{vInt(4)}, "l"),
		opDelKey(one, "t"),
		opDelete(one),
	} {
		a.do(ops)
		states = append(states, showAll(a.db))
	}
	stored := undoRecords{}
	n := len(states) - 1
	walk := func(step func(bool), by int) {
		t.Helper()
		for at := n; at+by >= 0 && at+by < len(states); {
			step(true)
			at += by
			n = at
			if got := showAll(a.db); got != states[at] {
				t.Fatalf("at step %d the database holds\n%s\nand held\n%s", at, got, states[at])
			}
			if at%3 == 0 {
				if bad := a.reload(stored, a, b); len(bad) > 0 {
					t.Fatalf("steps %v do not read", bad)
				}
				if got := a.db.UndoState(); got.Undo != at || got.Redo != len(states)-1-at {
					t.Fatalf("after the reload at step %d: %+v", at, got)
				}
			}
		}
	}
	a.reload(stored, a, b)
	for range 2 {
		walk(a.undo, -1)
		if m := a.db.UndoState().NextRedo.Message; m != "first" {
			t.Errorf("the message is %q", m)
		}
		walk(a.redo, 1)
	}
	a.db.ClearUndo()
	a.store(stored)
	if len(stored) > 0 || a.db.HasUndoRecords() {
		t.Errorf("%d records are left", len(stored))
	}
}

// TestUndo_O12_neverBeforeTheBlock: a step is stored with the block of its edits or
// later, and one whose blocks are lost is not taken up.
func TestUndo_O12_neverBeforeTheBlock(t *testing.T) {
	a, _ := twoTexts(t, "hello")
	a.db.ClearUndo()
	x := a.text(1, "t")
	a.edit(x, 0, 0, "x")
	if got := a.db.CutUndo(); len(got) != 0 {
		t.Fatalf("%d records before the block", len(got))
	}
	stored := undoRecords{}
	a.store(stored)
	if len(stored) != 1 {
		t.Fatalf("%d records with the block", len(stored))
	}
	a.edit(x, 1, 0, "y") // of the same step
	a.do(opSet(objID(1), vInt(1), "a"))
	if got := a.db.CutUndo(); len(got) != 0 {
		t.Fatalf("%d records before the block", len(got))
	}
	head := a.head
	a.store(stored)
	if len(stored) != 2 {
		t.Fatalf("%d records", len(stored))
	}
	a.sent, a.head = a.sent[:len(a.sent)-1], head // the last block is lost
	lost := newSite(t, 1)
	lost.apply(a.sent...)
	lost.db.SetWriter(lost.feed, a.head)
	var records []UndoRecord
	for serial, b := range stored {
		records = append(records, UndoRecord{serial, b})
	}
	if bad := lost.db.RestoreUndo(records); len(bad) != 2 {
		t.Errorf("%d steps are given up, want 2", len(bad))
	}
	lost.undo(false)
	lost.wantText(1, "xhello")
}

// TestUndo_O12_damagedRecords: a record that was cut or has another bit is given up
// or gives a step that does no harm.
func TestUndo_O12_damagedRecords(t *testing.T) {
	for _, b := range undoSeeds(t) {
		for at := range b {
			tryUndoRecord(t, b[:at])
			for bit := range 8 {
				c := bytes.Clone(b)
				c[at] ^= 1 << bit
				tryUndoRecord(t, c)
			}
		}
	}
	s := markedSite(t)
	if _, _, err := s.db.readStep(append([]byte{0x9d, 0x04}, undoSeeds(t)[1][2:]...)); errs.KindOf(err) != errs.VersionUnsupported {
		t.Errorf("of version 4: %v", err)
	}
}

// undoSite has an object with one of each, always the same.
func undoSite(t testing.TB) *site {
	s := &site{t: t, db: New(Options{Source: 77}), feed: feedID(1)}
	s.db.SetWriter(s.feed, feed.Ref{Feed: s.feed})
	one := objID(1)
	s.do(opCreate(one, map[string][]byte{
		"a": vInt(1), "n": vTyped(valueCounter, vInt(0)), "t": vText("hello"), "m": vMap(map[string][]byte{"x": vInt(1)}),
		"l": vList(vMap(map[string][]byte{"x": vInt(1)}), vInt(2), vInt(3)),
	}))
	s.db.ClearUndo()
	s.do(opSet(one, vInt(2), "a"), opAdd(one, 7, "n"), opEdit(one, 1, 3, "y", "t"), opDelKey(one, "m"))
	s.do(opMove(one, 0, 1, "l"), opSplice(one, 1, 1, [][]byte{vInt(4)}, "l"), opDelete(one))
	s.flush()
	return s
}

// markedSite is undoSite with a step more, of an object whose text is formatted.
func markedSite(t testing.TB) *site {
	s := undoSite(t)
	two := objID(2)
	s.db.EndTask()
	s.do(opCreate(two, map[string][]byte{"t": vText("hello")}))
	s.do(opFormat(two, 1, 4, []markOf{{"bold", expandAfter, vBool(true)}}, "t"))
	s.do(opEdit(two, 2, 1, "L", "t"))
	s.do(opFormat(two, 0, 3, []markOf{{"bold", 0, vNil()}}, "t"))
	s.db.EndStep()
	s.flush()
	return s
}

// undoSeeds are records of steps of markedSite, packed and not, and of version 1.
func undoSeeds(t testing.TB) (out [][]byte) {
	s := markedSite(t)
	add := func() {
		for _, r := range s.db.CutUndo() {
			if r.Bytes != nil {
				plain, err := feed.Unpack(r.Bytes, maxUndo)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, r.Bytes, plain)
			}
		}
	}
	add()
	s.undo(true)
	s.undo(true)
	s.undo(true)
	s.flush()
	add()
	for line := range strings.Lines(oldSteps) {
		out = append(out, unhex(t, line))
	}
	return out
}

// oldSteps are the records of version 1 of the same steps.
//
//go:embed testdata/undosteps-1.hex
var oldSteps string

// TestUndo_O12_oldRecords: steps that were stored in the form of version 1 are taken
// back as those of today are.
func TestUndo_O12_oldRecords(t *testing.T) {
	now := undoSite(t)
	lines := slices.Collect(strings.Lines(oldSteps))
	old := undoSite(t)
	var records []UndoRecord
	for i, line := range lines[:len(lines)/2] {
		records = append(records, UndoRecord{uint64(i + 1), unhex(t, line)})
	}
	old.db.undo = undoStack{}
	if bad := old.db.RestoreUndo(records); len(bad) > 0 {
		t.Fatalf("steps %v do not read", bad)
	}
	for now.db.UndoState().Undo > 0 {
		now.undo(true)
		old.undo(true)
		if got, want := showAll(old.db), showAll(now.db); got != want {
			t.Fatalf("with %d steps left the database holds\n%s\nwant\n%s", now.db.UndoState().Undo, got, want)
		}
	}
}

func tryUndoRecord(t *testing.T, b []byte) {
	s := markedSite(t)
	s.db.ClearUndo()
	if bad := s.db.RestoreUndo([]UndoRecord{{1, b}}); len(bad) > 0 {
		return
	}
	for range 2 {
		for _, step := range []func(int64) (bool, error){s.db.Undo, s.db.Redo} {
			if _, err := step(3); err != nil {
				named(t, err)
			}
		}
	}
	other := newSite(t, 2)
	other.apply(s.sent...)
	other.apply(s.flush()...)
	if x, y := showAll(s.db), showAll(other.db); x != y {
		t.Fatalf("replicas differ after a step of %x:\n%s\n%s", b, x, y)
	}
}

// TestUndo_O12_formatRecords: a step with marks is of a version of its own, the
// others of the one before, and no version has records of another.
func TestUndo_O12_formatRecords(t *testing.T) {
	s := markedSite(t)
	for i, want := range []byte{undoVersion, undoVersion, undoVersionFormat} {
		b, _ := s.db.encodeStep(s.db.undo.undo[i], false, nil)
		if b[1] != want {
			t.Errorf("step %d is of version %d, want %d", i, b[1], want)
		}
		if _, _, err := s.db.decodeStep(b); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
		b[1] = undoVersion + undoVersionFormat - want
		if _, _, err := s.db.decodeStep(b); errs.KindOf(err) != errs.Malformed {
			t.Errorf("step %d as of version %d: %v", i, b[1], err)
		}
	}
}

// FuzzUndoRecord takes up and takes back arbitrary steps.
func FuzzUndoRecord(f *testing.F) {
	for _, b := range undoSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(tryUndoRecord)
}

// TestUndo_O12_bigStepIsNotStored: a step over the limit stays in memory only.
func TestUndo_O12_bigStepIsNotStored(t *testing.T) {
	a := newSite(t, 1)
	a.do(opCreate(objID(1), map[string][]byte{"a": vStr(strings.Repeat("x", maxUndo+1))}))
	a.do(opSet(objID(1), vInt(1), "a"))
	stored := undoRecords{}
	a.store(stored)
	if len(stored) != 0 || a.db.HasUndoRecords() {
		t.Errorf("%d records", len(stored))
	}
	a.undo(true)
	if n := len(a.read(objID(1)).contents); n < maxUndo {
		t.Errorf("the value has %d bytes", n)
	}
}

func unhex(t testing.TB, line string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestUndo_O12_ownDeletesAcrossReload: that a stored step leaves out what it took
// away of what it had inserted itself changes nothing: a reload in between makes no
// difference to what undo and redo give, whatever others did.
func TestUndo_O12_ownDeletesAcrossReload(t *testing.T) {
	run := func(seed uint64, reload bool) (texts []string) {
		rng := rand.New(rand.NewPCG(seed, 1))
		a, b := twoTexts(t, strings.Repeat("0123456789", 20))
		a.db.ClearUndo()
		stored := undoRecords{}
		for range 30 {
			s := a
			if rng.IntN(8) == 0 {
				s = b
			}
			x := s.text(1, "t")
			length, err := s.db.TextLength(x)
			if err != nil {
				t.Fatal(err)
			}
			pos := rng.IntN(length + 1)
			deleted, inserted := 0, ""
			if rng.IntN(2) == 0 {
				deleted = rng.IntN(min(100, length-pos) + 1)
			}
			if rng.IntN(3) > 0 {
				inserted = strings.Repeat([]string{"ab", "é", "😀c"}[rng.IntN(3)], 1+rng.IntN(40))
			}
			_ = s.db.EditText(x, pos, deleted, []byte(inserted), 1000) // one that cuts a pair is refused
			switch rng.IntN(12) {
			case 0:
				a.db.EndStep()
			case 1:
				a.store(stored)
			case 2:
				a.store(stored)
				sync(a, b)
			}
		}
		a.store(stored)
		look := func() {
			if reload {
				if bad := a.reload(stored, a, b); len(bad) > 0 {
					t.Fatalf("seed %d: steps %v do not read", seed, bad)
				}
			}
			texts = append(texts, contentOf(t, a.db, a.text(1, "t")))
		}
		look()
		for _, redo := range []bool{false, true, false} {
			for more := true; more; {
				step := a.db.Undo
				if redo {
					step = a.db.Redo
				}
				var err error
				if more, err = step(2000); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				look()
			}
		}
		return texts
	}
	for i := range 60 {
		seed := rand.Uint64()
		if kept, reloaded := run(seed, false), run(seed, true); !slices.Equal(kept, reloaded) {
			t.Fatalf("run %d, seed %d: with reloads the texts are\n%q\nand without\n%q", i, seed, reloaded, kept)
		}
	}
}

// TestUndo_O12_typingStoredBitByBit: steps of somebody who types, each character of
// which is stored before the next one, stay small together.
func TestUndo_O12_typingStoredBitByBit(t *testing.T) {
	a, _ := twoTexts(t, "")
	a.db.ClearUndo()
	x := a.text(1, "t")
	stored := undoRecords{}
	const words = "what is typed here is of no matter, as long as it is typed "
	now := int64(1000)
	at, written := 0, 0
	for i := range 6000 {
		now += 100
		if i%50 == 0 {
			now += captureMs // a pause
		}
		deleted, inserted := 0, string(words[i%len(words)])
		if i%7 == 6 {
			deleted, inserted = 1, ""
			at--
		}
		if err := a.db.EditText(x, at, deleted, []byte(inserted), now); err != nil {
			t.Fatal(err)
		}
		at += len(inserted)
		before := len(a.sent)
		a.store(stored)
		written += len(a.sent) - before
	}
	size := 0
	for _, b := range stored {
		size += len(b)
	}
	if written != 6000 || len(stored) != 120 || size > 40<<10 {
		t.Errorf("%d blocks, and %d steps of %d bytes; want 6000, 120, and at most 40 KiB", written, len(stored), size)
	}
}
