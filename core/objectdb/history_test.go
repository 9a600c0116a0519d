package objectdb

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
	"pgregory.net/rapid"
)

// drift runs drawn transactions, deliveries and forks on a fleet.
func (f *fleet) drift(steps int) {
	for range steps {
		r := f.replicas[f.pick(len(f.replicas), "replica")]
		switch k := f.pick(14, "step"); {
		case k < 6:
			r.transact()
		case k < 9:
			r.flush()
		case k < 13:
			r.receive()
		case f.pick(2, "how") == 0:
			r.fork()
		default:
			r.move(f.newFeed(), feed.Ref{})
		}
	}
	for _, r := range f.replicas {
		for len(r.pending) > 0 {
			r.flush()
		}
	}
}

func newFleet(t *rapid.T) *fleet {
	f := &fleet{t: t, slots: slots{}}
	for range 2 + f.pick(3, "replicas") {
		f.replicas = append(f.replicas, f.newReplica())
	}
	if f.pick(2, "board") == 0 {
		f.shareBoard()
	}
	return f
}

// past makes the database of a version, as a client does.
func (f *fleet) past(db *DB, v Version) *DB {
	nodes, err := db.Resolve(v)
	if err != nil {
		f.t.Fatal(err)
	}
	held := db.Contains(nodes)
	past := New(Options{})
	for n := range int32(db.NodeCount()) {
		if !held.Has(n) {
			continue
		}
		b, _, ok := db.BlockOf(n)
		if !ok {
			f.t.Fatalf("node %d is no block", n)
		}
		at := slices.IndexFunc(f.pool, func(p *published) bool { return p.block.Ref == b.Ref })
		b.Payload = f.pool[at].block.Payload
		if err := past.Apply(b); err != nil {
			f.t.Fatal(err)
		}
	}
	return past
}

// drawVersion draws some blocks that a replica knows, and gives their version and
// the twin of it.
func (r *replica) drawVersion() (Version, twin) {
	var nodes []crdt.Node
	was := twin{}
	for _, p := range r.f.pool {
		if !r.known[p.twin] || r.f.pick(4, "in") > 0 {
			continue
		}
		n, _ := r.db.graph.Find(p.block.Ref)
		nodes = append(nodes, n)
		was[p.twin] = true
		for b := range p.twin.past {
			was[b] = true
		}
	}
	v, _ := r.db.VersionOf(nodes)
	return v, was
}

// TestDB_O16_pastIsWhatItWas runs drawn replicas, with forks, and compares the
// database of drawn versions, concurrent ones too, with the twin of their ops.
func TestDB_O16_pastIsWhatItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t)
		f.drift(f.pick(40, "steps"))
		for _, r := range f.replicas {
			v, was := r.drawVersion()
			if again, err := DecodeVersion(v.Encode()); err != nil || !slices.Equal(again, v) {
				t.Fatalf("version %v reads as %v: %v", v, again, err)
			}
			if got, want := showAll(f.past(r.db, v)), was.showAll(f.slots); got != want {
				t.Fatalf("the past holds\n%s\nthe twin\n%s", got, want)
			}
		}
	})
}

// nameless is what can be seen in a database.
func nameless(db *DB, objects []id.ObjectID) string {
	var b strings.Builder
	for _, v := range objects {
		if raw := db.Plain(v); raw != nil {
			fmt.Fprintf(&b, "%s %x\n", v, appendNameless(nil, raw))
		}
	}
	return b.String()
}

// TestDB_O16_restoredIsThePast restores drawn replicas to drawn versions: what can
// be seen then is what could be seen, everywhere, and edits that others made
// meanwhile merge.
func TestDB_O16_restoredIsThePast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t)
		f.drift(10 + f.pick(40, "steps"))
		r := f.replicas[0]
		v, _ := r.drawVersion()
		past := f.past(r.db, v)
		objects := r.db.ObjectIDs()
		ops := r.db.RestoreOps(past, objects)
		if len(ops) == 0 {
			return
		}
		if err := r.db.Local(ops, 2000); errs.Is(err, errs.FeedForked) {
			return // a branch that the next block cannot follow
		} else if err != nil {
			t.Fatalf("restore: %v", err)
		}
		if got, want := nameless(r.db, objects), nameless(past, objects); got != want {
			t.Fatalf("restored:\n%s\nthe past:\n%s", got, want)
		}
		if again := r.db.RestoreOps(past, objects); len(again) > 0 {
			t.Fatalf("restoring again would change something: %x", again)
		}
	})
}

// TestDB_O16_diffLeadsFromOneToTheOther applies the difference of drawn versions to
// the one, which gives the other.
func TestDB_O16_diffLeadsFromOneToTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t)
		f.drift(10 + f.pick(40, "steps"))
		r := f.replicas[0]
		v, _ := r.drawVersion()
		w, _ := r.drawVersion()
		a, b := f.past(r.db, v), f.past(r.db, w)
		for _, o := range r.db.ObjectIDs() {
			var d Difference
			before, after := a.Plain(o), b.Plain(o)
			d.Add(o, before, after)
			switch {
			case before == nil || after == nil:
				if len(d.Added) != count(before == nil && after != nil) || len(d.Removed) != count(before != nil && after == nil) || len(d.Changed) > 0 {
					t.Fatalf("difference %+v of %x and %x", d, before, after)
				}
			default:
				got := tree(t, appendNameless(nil, before))
				for _, c := range d.Changed {
					for _, p := range c.Changes {
						p.apply(t, got)
					}
				}
				if want := tree(t, appendNameless(nil, after)); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("%v of %x leads to %v, want %v", d.Changed, before, got, want)
				}
			}
		}
	})
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// tree reads a map: maps are maps, anything else its encoding.
func tree(t failer, raw []byte) any {
	if containerKind(raw) != valueMap {
		return string(raw)
	}
	out := map[string]any{}
	for _, e := range entries(raw) {
		out[e.name] = tree(t, e.value)
	}
	return out
}

// apply does to a tree what a change says.
func (c PropertyChange) apply(t failer, to any) {
	t.Helper()
	for _, k := range c.Path[:len(c.Path)-1] {
		to = to.(map[string]any)[k]
	}
	m, key := to.(map[string]any), c.Path[len(c.Path)-1]
	old, had := m[key]
	switch {
	case c.Delta != nil:
		m[key] = string(vText(follow(t, string(charsOf([]byte(old.(string)))), c.Delta)))
	case had != (c.Before != nil) || had && fmt.Sprint(old) != fmt.Sprint(tree(t, c.Before)):
		t.Fatalf("%v: before is %x, it was %v", c.Path, c.Before, old)
	case c.After == nil:
		delete(m, key)
	default:
		m[key] = tree(t, c.After)
	}
}

// follow makes the steps of a delta.
func follow(t failer, text string, steps []TextStep) string {
	t.Helper()
	units := utf16.Encode([]rune(text))
	var out []uint16
	for _, s := range steps {
		if s.Retain+s.Delete > len(units) {
			t.Fatalf("step %+v of %d units", s, len(units))
		}
		out = append(append(out, units[:s.Retain]...), utf16.Encode([]rune(s.Insert))...)
		units = units[s.Retain+s.Delete:]
	}
	return string(utf16.Decode(append(out, units...)))
}

func TestTextDelta_leadsThere(t *testing.T) {
	long := strings.Repeat("a line of a text\nanother one\n", 300)
	for _, c := range []struct {
		name, before, after string
		edited              int // code units inserted and deleted; -1: not told
	}{
		{"nothing", "abc", "abc", 0},
		{"from empty", "", "abc", 3},
		{"to empty", "abc", "", 3},
		{"insert", "ac", "abc", 1},
		{"delete", "abc", "ac", 1},
		{"two places", "one two three", "one 2 three!", 5},
		{"a pair is not cut", "x\U0001f600y", "x\U0001f601y", 4},
		{"letters of common bytes", "é", "è", 2},
		{"nothing in common", "abc", "xyz", 6},
		{"long, one word", long + "tail", strings.Replace(long, "another", "an odd", 1) + "tail", -1},
		{"long, two ends", "begin " + long, long + " end", -1},
		{"very different", strings.Repeat("ab", 5000), strings.Repeat("ba\n", 4000), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps := TextDelta([]byte(c.before), []byte(c.after))
			if got := follow(t, c.before, steps); got != c.after {
				t.Errorf("leads to %.80q, want %.80q", got, c.after)
			}
			edited := 0
			for _, s := range steps {
				edited += s.Delete + len(utf16.Encode([]rune(s.Insert)))
			}
			if c.edited >= 0 && edited != c.edited {
				t.Errorf("%+v edits %d units, want %d", steps, edited, c.edited)
			}
			if c.name[0] == 'l' && c.edited < 0 && edited > 20 {
				t.Errorf("edits %d units", edited)
			}
		})
	}
}

// TestTextDelta_drawn compares drawn texts of few letters.
func TestTextDelta_drawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]rune("ab\né😀"))
		a, b := rapid.StringOf(letters).Draw(t, "a"), rapid.StringOf(letters).Draw(t, "b")
		if rapid.Bool().Draw(t, "long") {
			a, b = strings.Repeat(a, 300), strings.Repeat(b, 300)
		}
		if got := follow(t, a, TextDelta([]byte(a), []byte(b))); got != b {
			t.Fatalf("leads to %q", got)
		}
	})
}

// touched prints the touches of a change.
func touched(c Change) string {
	var parts []string
	for _, x := range c.Touched {
		var paths []string
		for _, p := range x.Paths {
			paths = append(paths, strings.Join(p, "."))
		}
		parts = append(parts, fmt.Sprintf("%d%c(%s)", x.Object[15], "ecdr"[x.Kind], strings.Join(paths, " ")))
	}
	return strings.Join(parts, " ")
}

func TestReader_O16_whatChangesTouch(t *testing.T) {
	s := newSite(t, 1)
	at := int64(5000)
	do := func(ops ...[]byte) {
		t.Helper()
		if err := s.db.Local(bytes.Join(ops, nil), at); err != nil {
			t.Fatal(err)
		}
		at += 250
	}
	a, b := objID(1), objID(2)
	do(opCreate(a, map[string][]byte{"title": vStr("x"), "owner": vMap(map[string][]byte{"name": vStr("Ada"), "at": vMap(nil)})}))
	do(opCreate(b, map[string][]byte{"tags": vList(vInt(1), vMap(map[string][]byte{"n": vInt(1)})), "body": vText("hi"), "votes": vTyped(valueCounter, vInt(0))}))
	do(opSet(a, vStr("Bob"), "owner", "name"), opSet(a, vInt(1), "owner", "at", "home"), opSet(a, vStr("y"), "title"), opSet(a, vStr("z"), "title"))
	do(opAdd(b, 1, "votes"), opEdit(b, 0, 1, "H", "body"), opSplice(b, 0, 1, nil, "tags"), opSet(b, vInt(2), "tags", 0, "n"))
	do(opDelKey(a, "title"), opDelete(b))
	do(opRestore(b), opSet(b, vInt(1), "x"))
	do(opSet(a, vMap(map[string][]byte{"deep": vInt(1)}), "owner", "at"), opSet(PropertiesID, vStr("space"), "name"))
	blocks := s.flush()
	var r Reader
	got, err := r.Changes(blocks[0].Payload)
	if err != nil || len(blocks) != 1 {
		t.Fatal(err, len(blocks))
	}
	want := []string{
		"1c(owner title)",
		"2c(body tags votes)",
		"1e(owner.name owner.at.home title)",
		"2e(votes body tags)",
		"1e(title) 2d()",
		"2r(x)",
		"1e(owner.at) 1e(name)",
	}
	for i, w := range want {
		if i >= len(got) {
			t.Fatalf("%d changes", len(got))
		}
		if g := touched(got[i]); g != w || got[i].Time != 5000+250*int64(i) || got[i].Message != "" {
			t.Errorf("change %d at %d says %q: %s, want %s", i, got[i].Time, got[i].Message, g, w)
		}
	}
	ids, err := PayloadObjects(blocks[0].Payload)
	if err != nil || !slices.Equal(splitIDs(ids), []id.ObjectID{a, b, PropertiesID}) {
		t.Errorf("objects %v, %v", ids, err)
	}
}

func TestReader_O16_messages(t *testing.T) {
	s := newSite(t, 1)
	s.do(opCreate(objID(1), nil))
	raw := s.flush()[0].Payload
	at := bytes.LastIndex(raw, []byte{0xcd, 0x03, 0xe8, 0xc0}) // time 1000, no message
	raw = slices.Concat(raw[:at+3], wire.AppendString(nil, "first"), raw[at+4:])
	var r Reader
	got, err := r.Changes(raw)
	if err != nil || len(got) != 1 || got[0].Message != "first" || got[0].Time != 1000 {
		t.Errorf("changes %+v, %v", got, err)
	}
	if _, err := r.Changes(raw[:len(raw)-1]); !errs.Is(err, errs.Malformed) {
		t.Errorf("half a payload: %v", err)
	}
	if time, err := PayloadTime(raw); err != nil || time != 1000 {
		t.Errorf("made at %d, %v", time, err)
	}
	if _, err := PayloadTime(raw[:10]); !errs.Is(err, errs.Malformed) {
		t.Errorf("the time of half a payload: %v", err)
	}
	if _, err := PayloadObjects(raw[:10]); !errs.Is(err, errs.Malformed) {
		t.Errorf("half of the tables: %v", err)
	}
}

func TestDB_O16_resolveNamesWhatIsMissing(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	a.do(opCreate(objID(1), nil))
	blocks := a.flush()
	v, complete := a.db.VersionOf(a.db.Now())
	if !complete || len(v) != 1 || v[0] != blocks[0].Ref {
		t.Fatalf("version %v, complete %v", v, complete)
	}
	_, err := b.db.Resolve(v)
	if !errs.Is(err, errs.MissingDependency) || !strings.Contains(fmt.Sprint(err), "block 1 of feed") {
		t.Errorf("a version that is not here: %v", err)
	}
	b.apply(blocks...)
	if _, err := b.db.Resolve(v); err != nil {
		t.Error(err)
	}
	a.do(opSet(objID(1), vInt(1), "a"))
	if now, complete := a.db.VersionOf(a.db.Now()); complete {
		t.Errorf("with a burst that is not written: %v", now)
	}
}

func TestDB_O16_textRuns(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	o := objID(1)
	a.do(opCreate(o, map[string][]byte{"body": vText("Hello world")}))
	sync(a, b)
	edit := func(s *site, at int64, pos, deleted int, inserted string) {
		t.Helper()
		if err := s.db.Local(opEdit(o, pos, deleted, inserted, "body"), at); err != nil {
			t.Fatal(err)
		}
	}
	b.do(opFormat(o, 1, 7, []markOf{{name: "bold", value: wire.AppendBool(nil, true)}}, "body")) // is no character
	b.flush()
	edit(b, 2000, 5, 0, ", dear")
	edit(b, 3000, 11, 1, "")
	edit(b, 4000, 0, 1, "h")
	sync(a, b)
	x, err := a.db.FindText(o, Key("body"))
	if err != nil {
		t.Fatal(err)
	}
	runs, err := a.db.TextRuns(x)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	pos := 0
	for _, run := range runs {
		blk, _, _ := a.db.BlockOf(run.Node)
		blocks := append(slices.Clone(a.sent), b.sent...)
		at := slices.IndexFunc(blocks, func(p Block) bool { return p.Ref == blk.Ref })
		time, err := PayloadTime(blocks[at].Payload)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := a.db.AppendText(nil, x, pos, pos+int(run.Len))
		pos += int(run.Len)
		got = append(got, fmt.Sprintf("%d@%d %q", blk.Ref.Feed[31], time, content))
	}
	want := []string{`2@2000 "h"`, `1@1000 "ello"`, `2@2000 ", dear"`, `1@1000 "world"`}
	if !slices.Equal(got, want) {
		t.Errorf("runs %v, want %v", got, want)
	}
}

func FuzzDecodeVersion(f *testing.F) {
	s := newSite(f, 1)
	s.do(opCreate(objID(1), nil))
	s.flush()
	v, _ := s.db.VersionOf(s.db.Now())
	f.Add(v.Encode())
	f.Add(Version(nil).Encode())
	f.Add([]byte{0x92, 2, 0x90})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeVersion(b)
		if err != nil {
			if k := errs.KindOf(err); k != errs.Malformed && k != errs.VersionUnsupported {
				t.Errorf("refused as %v", err)
			}
			return
		}
		if !bytes.Equal(v.Encode(), b) {
			t.Errorf("%x encodes as %x", b, v.Encode())
		}
	})
}
