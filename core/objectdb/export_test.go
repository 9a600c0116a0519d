package objectdb

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
	"pgregory.net/rapid"
)

// exportAll runs a whole export; between its steps meanwhile is called.
func exportAll(db *DB, size int, meanwhile func()) (chunks [][]byte) {
	e := db.BeginExport()
	defer e.End()
	for e.Scan() {
		meanwhile()
	}
	put := func(n int, ops []byte) {
		for len(chunks) <= n {
			chunks = append(chunks, nil)
		}
		chunks[n] = ops
	}
	for {
		n, ops, ok := e.Next(size)
		if !ok {
			break
		}
		put(n, ops)
		meanwhile()
	}
	for i, n := range e.Stale() {
		put(n, e.Again(n))
		if i == 0 {
			meanwhile()
		}
	}
	for _, n := range e.Stale() {
		put(n, e.Again(n))
	}
	return chunks
}

// imported makes a database of the ops of an export.
func imported(t failer, chunks [][]byte) *DB {
	t.Helper()
	sources++
	db := New(Options{Source: sources})
	db.SetWriter(feedID(99), feed.Ref{Feed: feedID(99)})
	for _, ops := range chunks {
		for len(ops) > 0 {
			_, op, err := NextState(ops)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Local(op, 7); err != nil {
				t.Fatal(err)
			}
			ops = ops[len(op):]
		}
	}
	return db
}

// states are the states of all objects that are not deleted, in the order of
// their creation, and the properties.
func states(db *DB) (order []id.ObjectID, list map[id.ObjectID]string) {
	list = map[id.ObjectID]string{}
	var rows []int32
	for c := range int32(db.containers.Len()) {
		if c != propertiesRow && db.exported(c) {
			rows = append(rows, c)
		}
	}
	slices.SortFunc(rows, db.order)
	for _, c := range append(rows, propertiesRow) {
		v := db.containers.At(c).id
		order = append(order, v)
		list[v] = string(db.State(v)) + "\n" + showState(db, c)
	}
	return order, list
}

// showState prints what an object holds, of each register the winner.
func showState(db *DB, c int32) string {
	shown := encodedText(db.appendMap(nil, c))
	for i := range int32(db.containers.Len()) { // texts are numbers in records
		if db.containers.At(i).kind == typeText && db.root(i) == c {
			b, _ := db.AppendText(nil, Text(i), 0, math.MaxInt32)
			shown = strings.ReplaceAll(shown, fmt.Sprintf("7(%d)", i), fmt.Sprintf("7(%q)", b))
		}
	}
	return shown
}

func sameStates(t failer, got, want *DB, ordered bool) {
	t.Helper()
	gotOrder, gotList := states(got)
	wantOrder, wantList := states(want)
	if ordered && !slices.Equal(gotOrder, wantOrder) {
		t.Fatalf("objects %v, want %v", gotOrder, wantOrder)
	}
	if len(gotList) != len(wantList) {
		t.Fatalf("%d objects, want %d", len(gotList), len(wantList))
	}
	for v, s := range wantList {
		if gotList[v] != s {
			t.Fatalf("object %s is\n%s\nwant\n%s", v, gotList[v], s)
		}
	}
}

func everyValue() map[string][]byte {
	return map[string][]byte{
		"": vStr("an empty key"), "nil": vNil(), "true": wire.AppendBool(nil, true), "int": vInt(-7), "uint": wire.AppendUint(nil, math.MaxUint64),
		"minus zero": vFloat(math.Copysign(0, -1)), "nan": vFloat(math.NaN()), "str": vStr("Ä 😀\x00"), "bytes": vTyped(valueBytes, wire.AppendBytes(nil, []byte{0, 255})),
		"date": vTyped(valueDate, vInt(-1)), "ref": vTyped(valueReference, wire.AppendBytes(nil, bytes.Repeat([]byte{7}, 16))), "big": vTyped(valueBigInt, vStr("-123456789012345678901234567890")),
		"counter": vTyped(valueCounter, vInt(math.MinInt64)), "text": vText("a text 😀"), "empty text": vText(""), "map": vMap(map[string][]byte{"m": vMap(nil), "n": vInt(1)}),
		"list": vList(vInt(1), vText("in a list"), vList(), vMap(map[string][]byte{"deep": vList(vTyped(valueCounter, vInt(3)))})),
	}
}

func TestExport_S12_everyValue(t *testing.T) {
	s := newSite(t, 1)
	s.do(opCreate(objID(1), everyValue()))
	s.do(opCreate(objID(2), nil), opCreate(objID(3), map[string][]byte{"to": vTyped(valueReference, wire.AppendBytes(nil, refTo(2)))}))
	s.do(opCreate(objID(4), nil), opDelete(objID(4)), opSet(PropertiesID, vStr("Plans"), "name"), opSet(PropertiesID, vMap(everyValue()), "all"))
	s.do(opSplice(objID(1), 1, 1, [][]byte{vStr("spliced"), vInt(2)}, "list"), opMove(objID(1), 0, 3, "list"), opEdit(objID(1), 1, 2, "😀!", "text"), opDelKey(objID(1), "int"))
	for _, size := range []int{1, 200, 1 << 20} {
		got := imported(t, exportAll(s.db, size, func() {}))
		sameStates(t, got, s.db, true)
		if _, ok := got.Read(objID(4)); ok {
			t.Error("a deleted object came along")
		}
	}
	if len(s.db.exports) > 0 {
		t.Error("an export that ended is still told of changes")
	}
}

// TestExport_S12_muchInOneObject holds that no op has much more than its limit.
func TestExport_S12_muchInOneObject(t *testing.T) {
	long := strings.Repeat("😀x", stateSize/2)
	var items [][]byte
	for i := range 3000 {
		items = append(items, vStr(fmt.Sprint(i, strings.Repeat("-", 40))))
	}
	big := vList(append(slices.Clone(items), vText(long), vMap(map[string][]byte{"x": vList(items...), "y": vInt(1)}), vInt(5))...)
	s := newSite(t, 1)
	s.do(opCreate(objID(1), map[string][]byte{"a": vText(long), "b": big, "c": vMap(map[string][]byte{"d": vText(long + long)}), "z": vInt(9)}))
	s.do(opSet(PropertiesID, big, "list"))
	chunks := exportAll(s.db, 1, func() {})
	ops := 0
	for _, chunk := range chunks {
		for len(chunk) > 0 {
			_, op, err := NextState(chunk)
			if err != nil {
				t.Fatal(err)
			}
			if len(op) > 2*stateSize {
				t.Errorf("an op of %d bytes", len(op))
			}
			chunk = chunk[len(op):]
			ops++
		}
	}
	if ops < 20 {
		t.Errorf("only %d ops", ops)
	}
	sameStates(t, imported(t, chunks), s.db, true)
}

// TestExport_S12_isOfOneMoment edits while an export goes on.
func TestExport_S12_isOfOneMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawnFleet(t, false)
		r := f.replicas[f.pick(len(f.replicas), "exporter")]
		chunks := exportAll(r.db, rapid.IntRange(1, 400).Draw(t, "size"), func() {
			if f.pick(2, "meanwhile") == 0 {
				f.step()
			}
		})
		sameStates(t, imported(t, chunks), r.db, false)
		again := exportAll(r.db, 100, func() {})
		sameStates(t, imported(t, again), r.db, true)
	})
}

// drawnFleet runs some replicas for some steps.
func drawnFleet(t *rapid.T, forks bool) *fleet {
	f := &fleet{t: t, slots: slots{}}
	for range 2 + f.pick(3, "replicas") {
		f.replicas = append(f.replicas, f.newReplica())
	}
	if f.pick(2, "board") == 0 {
		f.shareBoard()
	}
	for range f.pick(40, "steps") {
		if forks && f.pick(12, "fork") == 0 {
			f.replicas[f.pick(len(f.replicas), "replica")].fork()
		}
		f.step()
	}
	return f
}

func (f *fleet) step() {
	r := f.replicas[f.pick(len(f.replicas), "replica")]
	switch f.pick(3, "step") {
	case 0:
		r.transact()
	case 1:
		r.flush()
	case 2:
		r.receive()
	}
}

// replayed makes a database of the history of another as package space does: by
// blocks of other feeds, which are in the order of the old.
func replayed(t failer, db *DB, pool []*published) *DB {
	t.Helper()
	payloads := map[feed.Ref][]byte{}
	for _, p := range pool {
		payloads[p.block.Ref] = p.block.Payload
	}
	h := db.MarkHistory()
	if !h.Written() {
		t.Fatal("a history with bursts that are not written")
	}
	var changes []HistoryBlock
	for more := true; more; {
		var list []HistoryBlock
		list, more = h.Next()
		changes = append(changes, list...)
	}
	var lines []id.FeedID
	lineOf, ends := make([]int, len(changes)), map[feed.Ref]int{}
	for i, c := range changes {
		line, ok := ends[c.Prev]
		if !ok {
			line = len(lines)
			lines = append(lines, c.Ref.Feed)
		}
		delete(ends, c.Prev)
		ends[c.Ref], lineOf[i] = line, line
	}
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return id.Compare(lines[order[i]], lines[order[j]]) < 0 })
	names := make([]id.FeedID, len(lines))
	for rank, line := range order {
		names[line] = id.FeedID(keys.Sum([]byte{byte(rank)}))
		names[line][0], names[line][1] = byte(rank>>8), byte(rank)
	}
	rename := func(old id.FeedID) id.FeedID {
		if line := slices.Index(lines, old); line >= 0 {
			return names[line]
		}
		return old
	}
	sources++
	out := New(Options{Source: sources})
	refs := make([]feed.Ref, len(changes))
	heads := make([]feed.Ref, len(lines))
	for i, c := range changes {
		payload, err := RenameFeeds(payloads[c.Ref], rename)
		if err != nil {
			t.Fatal(err)
		}
		head := heads[lineOf[i]]
		b := Block{Ref: feed.Ref{Feed: names[lineOf[i]], Seq: head.Seq + 1, Hash: keys.Sum(fmt.Append(nil, i))}, Prev: head.Hash, Ops: c.Ops, Payload: payload}
		for _, p := range c.Parents {
			if refs[p] != head {
				b.Deltas = append(b.Deltas, refs[p])
			}
		}
		if err := out.Apply(b); err != nil {
			t.Fatal(err)
		}
		refs[i], heads[lineOf[i]] = b.Ref, b.Ref
	}
	return out
}

// TestHistory_S12_replay makes databases anew of what they were made of. Without
// forks they are the same to the last conflict; with forks Restate makes them so.
func TestHistory_S12_replay(t *testing.T) {
	for _, forks := range []bool{false, true} {
		t.Run(fmt.Sprint("forks ", forks), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				f := drawnFleet(t, forks)
				r := f.replicas[f.pick(len(f.replicas), "exporter")]
				for len(r.pending) > 0 {
					r.flush()
				}
				got := replayed(t, r.db, f.pool)
				if !forks {
					sameConflicts(t, got, r.db)
				}
				got.SetWriter(feedID(99), feed.Ref{Feed: feedID(99)})
				order, _ := states(r.db)
				for _, v := range order {
					if _, err := got.Restate(v, r.db.State(v), 7); err != nil {
						t.Fatal(err)
					}
				}
				for _, v := range got.Others(func(v id.ObjectID) bool { return slices.Contains(order, v) }) {
					if _, err := got.Restate(v, nil, 7); err != nil {
						t.Fatal(err)
					}
				}
				sameStates(t, got, r.db, !forks)
			})
		})
	}
}

// sameConflicts compares all that is shown but who created what.
func sameConflicts(t failer, got, want *DB) {
	t.Helper()
	show := func(db *DB) string {
		lines := strings.Split(showAll(db), "\n")
		for i, l := range lines {
			if from := strings.Index(l, " by "); from >= 0 {
				lines[i] = l[:from] + l[from+strings.Index(l[from:], "{"):]
			}
		}
		return strings.Join(lines, "\n")
	}
	if a, b := show(got), show(want); a != b {
		t.Fatalf("replayed\n%s\nwant\n%s", a, b)
	}
}

func TestRestate_S12(t *testing.T) {
	want := newSite(t, 1)
	want.do(opCreate(objID(1), everyValue()))
	state := want.db.State(objID(1))
	for name, ops := range map[string][]byte{
		"absent":     opCreate(objID(2), nil),
		"the same":   opCreate(objID(1), everyValue()),
		"other":      opCreate(objID(1), map[string][]byte{"int": vText("x"), "more": vList(vInt(1))}),
		"deleted":    append(opCreate(objID(1), map[string][]byte{"more": vInt(1)}), opDelete(objID(1))...),
		"a bit less": append(opCreate(objID(1), everyValue()), opSplice(objID(1), 0, 1, nil, "list")...),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 2)
			s.do(ops)
			changed, err := s.db.Restate(objID(1), state, 7)
			if err != nil || changed != (name != "the same") {
				t.Fatalf("changed %v, %v", changed, err)
			}
			if got := s.db.State(objID(1)); !bytes.Equal(got, state) {
				t.Errorf("it is %x, want %x", got, state)
			}
			if changed, err = s.db.Restate(objID(1), nil, 7); !changed || err != nil || s.db.State(objID(1)) != nil {
				t.Errorf("it is still there: %v, %v", changed, err)
			}
		})
	}
	t.Run("properties", func(t *testing.T) {
		s := newSite(t, 2)
		s.do(opSet(PropertiesID, vInt(1), "a"), opSet(PropertiesID, vInt(2), "b"))
		state := s.db.State(PropertiesID)
		s.do(opSet(PropertiesID, vInt(3), "c"), opDelKey(PropertiesID, "a"))
		if _, err := s.db.Restate(PropertiesID, state, 7); err != nil || !bytes.Equal(s.db.State(PropertiesID), state) {
			t.Errorf("properties are %x, %v", s.db.State(PropertiesID), err)
		}
	})
}

func TestNextState_refusesWhatNoStateHas(t *testing.T) {
	for name, ops := range map[string][]byte{
		"nothing": nil, "cut": opCreate(objID(1), everyValue())[:40], "delete": opDelete(objID(1)), "move": opMove(objID(1), 0, 1, "list"), "a number": vInt(1),
	} {
		if _, _, err := NextState(ops); !errs.Is(err, errs.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func refTo(n int) []byte {
	v := objID(n)
	return v[:]
}
