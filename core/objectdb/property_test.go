package objectdb

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/echospace/echospace/core/crdt/egwalker/plain"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
	"pgregory.net/rapid"
)

// fleet runs replicas and their twins by drawn choices.
type fleet struct {
	t        *rapid.T
	replicas []*replica
	pool     []*published
	feeds    int
	objects  int
	chars    rune // the last that was inserted: each is once
	slots    slots
	board    bool // objID(1) is everywhere and has a list at a
}

type published struct {
	block Block
	twin  *twinBlock
}

type replica struct {
	f       *fleet
	db      *DB
	feed    id.FeedID
	head    feed.Ref
	known   twin
	pending []*twinBlock // not written yet, in order
	open    *twinBlock   // the last of them, while the burst is open
	edited  string       // the text that the last op of open edits
	typed   bool         // by a transaction that another may join
	mirror  *mirror
	all     uint32 // queries
	some    uint32
	hidden  uint32
	sorted  map[uint32][]byte // queries with an order or a window, and what they are
}

func (f *fleet) newFeed() id.FeedID {
	f.feeds++
	return feedID(f.feeds)
}

func (f *fleet) newReplica() *replica {
	r := &replica{f: f, db: New(Options{Source: uint64(f.feeds)}), feed: f.newFeed(), known: twin{}, mirror: newMirror()}
	r.head = feed.Ref{Feed: r.feed}
	r.db.SetWriter(r.feed, r.head)
	r.all = r.query(append(wire.AppendNil(wire.AppendArray(nil, 2)), 1))
	r.some = r.query(queryOf(filterOf([]string{"a"}, greaterEqual, vInt(2)), 0))
	r.hidden = r.query(append(wire.AppendNil(wire.AppendArray(nil, 2)), 2))
	r.sorted = map[uint32][]byte{}
	a, b := by("a", false), by("b", true)
	for _, q := range [][]byte{
		sortedQuery(0, 0, a, b), sortedQuery(0, 2, b), sortedQuery(1, 2, a), sortedQuery(2, 0), sortedQuery(0, 1, by("c", true), a),
	} {
		r.sorted[r.query(q)] = q
	}
	return r
}

// by is an order by one property.
func by(key string, descending bool) []byte {
	return wire.AppendBool(append(wire.AppendArray(nil, 2), opPath([]string{key})...), descending)
}

// sortedQuery is a query for all objects that are not deleted.
func sortedQuery(offset, limit int, order ...[]byte) []byte {
	b := wire.AppendUint(wire.AppendNil(wire.AppendArray(nil, 5)), 0)
	b = append(wire.AppendArray(b, len(order)), slices.Concat(order...)...)
	return wire.AppendUint(wire.AppendUint(b, uint64(offset)), uint64(limit))
}

func filterOf(path []string, c comparison, v []byte) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 4), filterCompare)
	b = append(b, opPath(path)...)
	return append(wire.AppendUint(b, uint64(c)), v...)
}

func queryOf(filter []byte, deleted uint64) []byte {
	return wire.AppendUint(append(wire.AppendArray(nil, 2), filter...), deleted)
}

func (r *replica) query(q []byte) uint32 {
	n, ids, err := r.db.OpenQuery(q)
	if err != nil {
		r.f.t.Fatal(err)
	}
	r.mirror.lists[n] = splitIDs(ids)
	return n
}

func (f *fleet) pick(n int, what string) int { return rapid.IntRange(0, n-1).Draw(f.t, what) }

// transact draws a transaction and runs it on both.
func (r *replica) transact() {
	if r.f.pick(2, "how") == 0 && r.typeText() {
		return
	}
	r.transaction(func() (ops []byte, ok bool) {
		ok = true
		for n := 1 + r.f.pick(3, "ops"); n > 0 && ok; n-- {
			var op []byte
			op, ok = r.drawOp()
			ops = append(ops, op...)
		}
		return ops, ok
	})
}

// begin opens a burst on the twin.
func (r *replica) begin() {
	if r.open == nil {
		r.open = &twinBlock{ref: feed.Ref{Feed: r.feed}, pending: true, past: r.follows(r.known, r.prev())}
		r.open.derive()
		r.known[r.open] = true
		r.pending = append(r.pending, r.open)
	}
}

// transaction runs what draw draws, and tells whether the database must take.
func (r *replica) transaction(draw func() ([]byte, bool)) {
	r.begin()
	before := len(r.open.ops)
	r.edited, r.typed = "", false
	ops, ok := draw()
	if !ok {
		r.open.ops = r.open.ops[:before]
		r.edited = ""
	}
	if err := r.db.Local(ops, 1000); ok != (err == nil) {
		r.f.t.Fatalf("transaction: %v, the twin says %v", err, ok)
	}
	r.abandonEmpty()
}

func (r *replica) abandonEmpty() {
	if len(r.open.ops) == 0 {
		delete(r.known, r.open)
		r.pending = r.pending[:len(r.pending)-1]
		r.open = nil
	}
}

// typeText edits a text in a transaction of its own, if there is a text.
func (r *replica) typeText() bool {
	t := r.f.t
	var texts []string
	rows := map[string]Text{}
	for _, o := range r.known.objects() {
		for _, key := range []string{"a", "b", "c"} {
			if reg := r.known.register("value", o, key); len(reg) > 0 && strings.HasPrefix(reg[0].value, "~") {
				raw, _ := hex.DecodeString(o)
				x, err := r.db.FindText(id.ObjectID(raw), Key(key))
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, reg[0].value[1:])
				rows[reg[0].value[1:]] = x
			}
		}
	}
	if len(texts) == 0 {
		return false
	}
	text := texts[r.f.pick(len(texts), "text")]
	r.begin()
	if !r.typed {
		r.edited = ""
	}
	op, ok := r.drawEdit(text)
	r.typed = r.typed || ok
	if err := r.db.EditText(rows[text], op.pos, op.deleted, []byte(op.inserted), 1000); ok != (err == nil) {
		t.Fatalf("edit: %v, the twin says %v", err, ok)
	}
	r.abandonEmpty()
	return true
}

type drawnEdit struct {
	pos, deleted int
	inserted     string
}

func (r *replica) drawChars(n int) []rune {
	out := make([]rune, n)
	for i := range out {
		r.f.chars++
		out[i] = 0x4e00 + r.f.chars
	}
	return out
}

// drawEdit draws an edit of a text and makes it on the twin, if it fits.
func (r *replica) drawEdit(text string) (drawnEdit, bool) {
	now, _ := r.known.text(text, nil)
	e := drawnEdit{pos: r.f.pick(len(now)+2, "pos"), deleted: max(0, r.f.pick(6, "deleted")-2)}
	if r.f.pick(2, "where") == 0 { // where others write too
		e.pos = 0
	}
	chars := r.drawChars(r.f.pick(4, "inserted"))
	e.inserted = string(chars)
	if e.pos+e.deleted > len(now) {
		return e, false
	}
	var ops []plain.Op
	if e.deleted > 0 {
		ops = append(ops, plain.Op{Delete: true, Pos: e.pos, Len: e.deleted})
	}
	if len(chars) > 0 {
		ops = append(ops, plain.Op{Pos: e.pos, Len: len(chars)})
	}
	if len(ops) == 0 {
		return e, true
	}
	if r.known.forked(text, r.open) {
		return e, false
	}
	if r.edited == text {
		last := r.open.ops[len(r.open.ops)-1]
		last.edits, last.content = append(last.edits, ops...), append(last.content, chars...)
	} else {
		r.add(twinOp{kind: "edit", text: text, edits: ops, content: chars})
		r.edited = text
	}
	return e, true
}

// prev is the own block that the next follows, or nil.
func (r *replica) prev() *twinBlock {
	if n := len(r.pending); n > 0 {
		return r.pending[n-1]
	}
	for b := range r.known {
		if !b.pending && b.ref == r.head {
			return b
		}
	}
	return nil
}

// follows is the past of a block after prev that names all it can: every tip
// of known but those in another branch of its own feed.
func (r *replica) follows(known twin, prev *twinBlock) map[*twinBlock]bool {
	past := map[*twinBlock]bool{}
	for b := range known {
		tip := true
		for o := range known {
			tip = tip && !o.past[b]
		}
		if b == prev || tip && b.ref.Feed != r.feed {
			past[b] = true
			maps.Copy(past, b.past)
		}
	}
	return past
}

func (r *replica) add(o twinOp) *twinOp {
	r.edited = ""
	o.block, o.index = r.open, len(r.open.ops)
	for _, v := range o.also {
		v.block, v.index = o.block, o.index
	}
	r.open.ops = append(r.open.ops, &o)
	return &o
}

// drawOp draws an op, runs it on the twin, and tells whether it is one that
// the database must take.
func (r *replica) drawOp() ([]byte, bool) {
	if r.f.board && r.f.pick(3, "on the board") > 0 {
		return r.drawOpOnBoard()
	}
	objects := append(r.known.objects(), PropertiesID.String())
	kind := r.f.pick(25, "kind")
	if kind <= 1 {
		r.f.objects++
		obj := objID(r.f.objects)
		r.add(twinOp{kind: "create", container: obj.String()})
		m := r.drawMap(obj.String(), 1)
		return opCreate(obj, m), true
	}
	name := objects[r.f.pick(len(objects), "object")]
	raw, _ := hex.DecodeString(name)
	obj := id.ObjectID(raw)
	switch kind {
	case 2, 3:
		if obj == PropertiesID {
			return opDelete(obj), false
		}
		if kind == 2 {
			r.add(twinOp{kind: "life", container: name, value: "deleted"})
			return opDelete(obj), true
		}
		r.add(twinOp{kind: "life", container: name, value: "restored"})
		return opRestore(obj), true
	case 4:
		return opSet(objID(1<<20), vInt(1), "a"), false
	}
	return r.drawOpIn(obj, kind)
}

// drawOpOnBoard draws an op on the list that all have, or on an item of it.
func (r *replica) drawOpOnBoard() ([]byte, bool) {
	obj := objID(1)
	v := r.known.value(obj.String(), "a")
	kind := 6 + r.f.pick(19, "kind")
	if r.f.pick(3, "what") > 0 {
		return r.drawOpAt(obj, kind%7+18, obj.String(), false, "a", []any{"a"})
	}
	if !strings.HasPrefix(v, "^") {
		return r.drawOpAt(obj, kind, obj.String(), false, "a", []any{"a"})
	}
	items := r.known.list(v[1:], r.f.slots)
	if len(items) == 0 {
		return r.drawOpAt(obj, 18, obj.String(), false, "a", []any{"a"})
	}
	at := r.f.pick(len(items), "item")
	if inner := r.known.value(v[1:], items[at]); strings.HasPrefix(inner, "@") {
		key := r.drawKey()
		return r.drawOpAt(obj, kind, inner[1:], false, key, []any{"a", at, key})
	}
	return r.drawOpAt(obj, kind, v[1:], true, items[at], []any{"a", at})
}

// shareBoard gives all replicas an object with a list.
func (f *fleet) shareBoard() {
	f.board = true
	r := f.replicas[0]
	r.transaction(func() ([]byte, bool) {
		f.objects++
		obj := objID(f.objects)
		r.add(twinOp{kind: "create", container: obj.String()})
		list := obj.String() + "/a^none"
		r.add(twinOp{kind: "value", container: obj.String(), key: "a", value: "^" + list})
		return opCreate(obj, map[string][]byte{"a": vList(r.drawItems(list, 0, 4, 2)...)}), true
	})
	r.flush()
	for _, o := range f.replicas[1:] {
		o.apply(f.pool[0])
	}
}

// drawOpIn draws an op on something in an object.
func (r *replica) drawOpIn(obj id.ObjectID, kind int) ([]byte, bool) {
	c, list, key := obj.String(), false, ""
	var path []any
	for steps := r.f.pick(3, "depth"); ; steps-- {
		if list {
			items := r.known.list(c, r.f.slots)
			at := r.f.pick(len(items)+1, "item")
			path = append(path, at)
			if at == len(items) {
				return opSet(obj, vInt(1), path...), false
			}
			key = items[at]
		} else {
			key = r.drawKey()
			path = append(path, key)
		}
		if steps == 0 {
			break
		}
		v := r.known.value(c, key)
		if v == "" || v[0] != '@' && v[0] != '^' {
			return opSet(obj, vInt(1), append(path, "a")...), false
		}
		list, c = v[0] == '^', v[1:]
	}
	return r.drawOpAt(obj, kind, c, list, key, path)
}

// drawOpAt draws an op on what stands at a key of a map, or at an item of a list.
func (r *replica) drawOpAt(obj id.ObjectID, kind int, c string, list bool, key string, path []any) ([]byte, bool) {
	v := r.known.value(c, key)
	is := func(mark string) bool { return strings.HasPrefix(v, mark) }
	switch {
	case kind >= 22:
		if !is("^") {
			return opMove(obj, 0, 0, path...), false
		}
		return r.drawMove(obj, v[1:], path)
	case kind >= 18:
		if !is("^") {
			return opSplice(obj, 0, 0, nil, path...), false
		}
		return r.drawSplice(obj, v[1:], path)
	case kind >= 14:
		if !is("~") {
			return opEdit(obj, 0, 0, "", path...), false
		}
		e, fits := r.drawEdit(v[1:])
		return opEdit(obj, e.pos, e.deleted, e.inserted, path...), fits
	case kind >= 12:
		n := int64(r.f.pick(7, "add")) - 3
		if is("#") {
			r.add(twinOp{kind: "add", counts: v[1:], number: n})
		}
		return opAdd(obj, n, path...), is("#")
	case kind == 5 && list:
		return opDelKey(obj, path...), false
	case kind == 5:
		if reg := r.known.register("value", c, key); len(reg) > 1 || v != "" {
			r.add(twinOp{kind: "value", container: c, key: key})
		}
		return opDelKey(obj, path...), true
	}
	return opSet(obj, r.drawValue(c, key, len(path)), path...), true
}

// shownSlots gives the place among all slots of a list of each item's slot that
// counts, and the places of all slots of some items.
func (r *replica) shownSlots(list string, of ...string) (shown map[string]int, all []int) {
	now, _ := r.known.text(list, nil)
	shown = map[string]int{}
	for at, c := range now {
		s := r.f.slots[c]
		if other, ok := shown[s.item]; !ok || r.f.slots[now[other]].op.less(s.op) {
			shown[s.item] = at
		}
		if slices.Contains(of, s.item) {
			all = append(all, at)
		}
	}
	return shown, all
}

// takes are the ops that take places away, the last first.
func takes(at []int) (ops []plain.Op) {
	for _, pos := range slices.Backward(at) {
		ops = append(ops, plain.Op{Delete: true, Pos: pos, Len: 1})
	}
	return ops
}

func (r *replica) drawSplice(obj id.ObjectID, list string, path []any) ([]byte, bool) {
	items := r.known.list(list, r.f.slots)
	at, n := r.f.pick(len(items)+2, "at"), r.f.pick(4, "new")
	removed := max(0, r.f.pick(5, "removed")-2)
	if at+removed > len(items) {
		return opSplice(obj, at, removed, nil, path...), false
	}
	if removed+n > 0 && r.known.forked(list, r.open) {
		return opSplice(obj, at, removed, [][]byte{vInt(1)}[:min(1, n)], path...), false
	}
	_, slots := r.shownSlots(list, items[at:at+removed]...)
	edits := takes(slots)
	for _, i := range items[at : at+removed] {
		r.add(twinOp{kind: "remove", text: list, item: i, edits: edits})
		edits = nil
	}
	var values [][]byte
	if n > 0 {
		pos := 0
		if at > 0 {
			shown, _ := r.shownSlots(list)
			pos = shown[items[at-1]] + 1
		}
		values = r.drawItems(list, pos, n, len(path)+1)
	}
	return opSplice(obj, at, removed, values, path...), true
}

func (r *replica) drawMove(obj id.ObjectID, list string, path []any) ([]byte, bool) {
	items := r.known.list(list, r.f.slots)
	from, to := r.f.pick(len(items)+1, "from"), r.f.pick(len(items)+1, "to")
	op := opMove(obj, from, to, path...)
	if from == len(items) || to == len(items) || from != to && r.known.forked(list, r.open) {
		return op, false
	}
	if from == to {
		return op, true
	}
	shown, slots := r.shownSlots(list, items[from])
	pos := 0
	if to > from {
		pos = shown[items[to]] + 1
	} else if to > 0 {
		pos = shown[items[to-1]] + 1
	}
	before, _ := slices.BinarySearch(slots, pos) // its own slots go first
	pos -= before
	c := r.drawChars(1)
	o := r.add(twinOp{kind: "move", text: list, item: items[from], edits: append(takes(slots), plain.Op{Pos: pos, Len: 1}), content: c})
	r.f.slots[c[0]] = twinSlot{items[from], o}
	return op, true
}

// drawItems draws new items of a list, at a place among its slots, and gives
// their encoded values.
func (r *replica) drawItems(list string, pos, n, depth int) [][]byte {
	chars := r.drawChars(n)
	insert := twinOp{kind: "insert", text: list, edits: []plain.Op{{Pos: pos, Len: n}}, content: chars}
	marks := make([]byte, n)
	children := make([]string, n)
	values := make([][]byte, n)
	for k, c := range chars {
		item := fmt.Sprint("item", c)
		value := &twinOp{kind: "value", container: list, key: item}
		choice := r.f.pick(9, "item's value")
		if choice < 5 && (depth < 5 || choice > 1) {
			marks[k] = "@^#~#"[choice]
			children[k] = fmt.Sprintf("%s/%s%cnone", list, item, marks[k])
			value.value = string(marks[k]) + children[k]
		} else {
			values[k] = vInt(int64(choice))
			value.value = encodedText(values[k])
		}
		insert.also = append(insert.also, value)
	}
	o := r.add(insert)
	for k, c := range chars {
		r.f.slots[c] = twinSlot{o.also[k].key, o}
	}
	for k, child := range children {
		switch marks[k] {
		case '@':
			values[k] = vMap(r.drawMap(child, depth+1))
		case '^':
			var items [][]byte
			if n := r.f.pick(3, "inner items"); n > 0 {
				items = r.drawItems(child, 0, n, depth+1)
			}
			values[k] = vList(items...)
		case '#':
			n := int64(r.f.pick(3, "start"))
			if n != 0 {
				r.add(twinOp{kind: "add", counts: child, number: n})
			}
			values[k] = vTyped(valueCounter, vInt(n))
		case '~':
			chars := r.drawChars(r.f.pick(3, "chars"))
			if len(chars) > 0 {
				r.add(twinOp{kind: "edit", text: child, edits: []plain.Op{{Len: len(chars)}}, content: chars})
				r.edited = child
			}
			values[k] = vText(string(chars))
		}
	}
	return values
}

func (r *replica) drawKey() string { return []string{"a", "b", "c"}[r.f.pick(3, "key")] }

// drawValue draws a value and writes it at a key of the twin.
func (r *replica) drawValue(container, key string, depth int) []byte {
	choice := r.f.pick(13, "value")
	if choice >= 11 {
		child := container + "/" + key + "^" + r.known.lastSeen(container, key)
		r.add(twinOp{kind: "value", container: container, key: key, value: "^" + child})
		var items [][]byte
		if n := r.f.pick(4, "items"); n > 0 {
			items = r.drawItems(child, 0, n, depth+1)
		}
		return vList(items...)
	}
	if choice >= 8 {
		child := container + "/" + key + "~" + r.known.lastSeen(container, key)
		chars := r.drawChars(choice - 8)
		o := twinOp{kind: "value", container: container, key: key, value: "~" + child, text: child, content: chars}
		if len(chars) > 0 {
			o.edits = []plain.Op{{Len: len(chars)}}
		}
		r.add(o)
		r.edited = child
		return vText(string(chars))
	}
	if choice >= 6 {
		child := container + "/" + key + "#" + r.known.lastSeen(container, key)
		r.add(twinOp{kind: "value", container: container, key: key, value: "#" + child, counts: child, number: int64(choice)})
		return vTyped(valueCounter, vInt(int64(choice)))
	}
	if choice < 2 && depth < 4 {
		child := container + "/" + key + "@" + r.known.lastSeen(container, key)
		r.add(twinOp{kind: "value", container: container, key: key, value: "@" + child})
		return vMap(r.drawMap(child, depth+1))
	}
	v := vInt(int64(choice))
	if choice == 5 {
		v = vStr("a string of more than seven bytes")
	}
	r.add(twinOp{kind: "value", container: container, key: key, value: encodedText(v)})
	return v
}

func (r *replica) drawMap(container string, depth int) map[string][]byte {
	m := map[string][]byte{}
	for _, k := range []string{"a", "b", "c"} { // ascending, as in the encoding
		if r.f.pick(3, "has") == 0 {
			m[k] = r.drawValue(container, k, depth)
		}
	}
	return m
}

// flush writes the first pending block.
func (r *replica) flush() {
	b, ok := r.db.Cut()
	r.open, r.edited, r.typed = nil, "", false
	if !ok {
		if len(r.pending) != 0 {
			r.f.t.Fatal("a burst is missing")
		}
		return
	}
	tb := r.pending[0]
	blk := blockOf(r.db, r.feed, r.head, b)
	if b.Ops != uint64(len(tb.ops)) {
		r.f.t.Fatalf("burst of %d ops, the twin has %d", b.Ops, len(tb.ops))
	}
	r.db.Written(blk.Ref, b)
	r.head, tb.ref, tb.pending = blk.Ref, blk.Ref, false
	r.pending = r.pending[1:]
	r.f.pool = append(r.f.pool, &published{blk, tb})
}

// receive applies one drawn block.
func (r *replica) receive() {
	if len(r.f.pool) > 0 {
		r.apply(r.f.pool[r.f.pick(len(r.f.pool), "block")])
	}
}

func (r *replica) apply(p *published) {
	ready := true
	for b := range p.twin.past {
		ready = ready && r.known[b]
	}
	err := r.db.Apply(p.block)
	switch {
	case !ready && !errs.Is(err, errs.MissingDependency):
		r.f.t.Fatalf("block before what it follows: %v", err)
	case ready && err != nil:
		r.f.t.Fatalf("block refused: %v", err)
	}
	if !ready || r.known[p.twin] {
		return
	}
	r.open, r.edited, r.typed = nil, "", false
	r.known[p.twin] = true
	switch {
	case p.block.Ref.Feed != r.feed:
	case len(r.pending) == 0 && p.block.Prev == r.head.Hash: // it goes on with the own feed
		r.head = p.block.Ref
	case r.f.pick(2, "notices") == 0: // forked: write elsewhere
		r.move(r.f.newFeed(), feed.Ref{})
	}
}

// move names another own feed; what is pending follows everything then.
func (r *replica) move(f id.FeedID, head feed.Ref) {
	head.Feed = f
	r.db.SetWriter(f, head)
	r.feed, r.head, r.open, r.edited, r.typed = f, head, nil, "", false
	pending := r.pending
	r.pending = nil
	prev, settled := r.prev(), maps.Clone(r.known)
	for _, b := range pending {
		delete(settled, b)
	}
	edits := make([]map[string][]plain.Edit, len(pending))
	for i, b := range pending {
		edits[i] = settled.rebase(b)
		settled[b] = true
	}
	for _, b := range pending {
		delete(settled, b)
	}
	for i, b := range pending {
		b.setEdits(edits[i])
		b.ref.Feed, b.past = f, r.follows(settled, prev)
		b.derive()
		settled[b], prev = true, b
	}
	r.pending = pending
}

// fork makes r write to the feed of another replica, from a head it knows.
func (r *replica) fork() {
	o := r.f.replicas[r.f.pick(len(r.f.replicas), "other")]
	if o.feed == r.feed || !r.db.Has(o.head) || o.head.Seq == 0 {
		return
	}
	for _, h := range r.db.Frontier() { // it must not know of a branch already
		if h.Feed == o.feed && h != o.head {
			return
		}
	}
	r.move(o.feed, o.head)
}

func (r *replica) show() string { return showAll(r.db) }

func showAll(db *DB) string {
	var rows []int32
	for c := range int32(db.containers.Len()) {
		if c != propertiesRow && db.containers.At(c).parent == none && db.exists(c) {
			rows = append(rows, c)
		}
	}
	slices.SortFunc(rows, db.order)
	var b strings.Builder
	for _, c := range rows {
		row := db.containers.At(c)
		creator := db.graph.FeedID(db.graph.FeedOf(row.created.Node))
		fmt.Fprintf(&b, "%s deleted=%v by %d:%x %s\n", row.id, db.deleted(c), db.graph.Lamport(row.created), creator[:2], showMap(db, c))
	}
	b.WriteString(showMap(db, propertiesRow))
	return b.String()
}

// showMap prints a container as the twin does.
func showMap(db *DB, c int32) string {
	var parts []string
	for f := db.containers.At(c).first; f != none; f = db.fields.At(f).Link {
		parts = append(parts, fmt.Sprintf("%s:%s ", db.keys.At(db.fields.At(f).Tag), showField(db, f)))
	}
	sort.Strings(parts)
	return "{" + strings.Join(parts, "") + "}"
}

func showField(db *DB, f int32) string {
	var values []string
	children := map[int32]bool{}
	for _, v := range db.fields.Versions(nil, f) {
		child := childWord(v.Value)
		switch {
		case child != none && children[child]:
		case child != none:
			children[child] = true
			values = append(values, showContainer(db, child))
		case v.Value == wordDeleted:
			values = append(values, "")
		default:
			values = append(values, encodedText(db.appendWord(nil, v.Value)))
		}
	}
	return strings.Join(values, "|")
}

func showContainer(db *DB, c int32) string {
	switch row := db.containers.At(c); row.kind {
	case typeCounter:
		return fmt.Sprintf("8(%d)", row.number)
	case typeText:
		b, _ := db.AppendText(nil, Text(c), 0, math.MaxInt32)
		return fmt.Sprintf("7(%q)", b)
	case typeList:
		var items []string
		l := db.listOf(c)
		hidden := 0
		for _, s := range l.slots {
			if db.isShown(s) {
				items = append(items, showField(db, db.items.At(db.slotRows.At(s).item).field))
			} else {
				hidden++
			}
		}
		if hidden != l.hidden {
			return fmt.Sprintf("%d slots are hidden, %d are said to be", hidden, l.hidden)
		}
		return "[" + strings.Join(items, " ") + "]"
	}
	return showMap(db, c)
}

func (t twin) showAll(all slots) string {
	var b strings.Builder
	for _, o := range t.objects() {
		b.WriteString(t.showObject(o, all) + "\n")
	}
	b.WriteString(t.showMap(PropertiesID.String(), all))
	return b.String()
}

// atLeastTwo is the filter of the query some.
func (t twin) atLeastTwo(value string) bool {
	if counter, ok := strings.CutPrefix(value, "#"); ok {
		return t.sum(counter) >= 2
	}
	return len(value) == 1 && value >= "2"
}

// check compares a replica with its twin.
func (r *replica) check() {
	t := r.f.t
	if got, want := r.show(), r.known.showAll(r.f.slots); got != want {
		t.Fatalf("the database holds\n%s\nthe twin\n%s", got, want)
	}
	r.mirror.drain(t, r.db, 64)
	for c := range int32(r.db.containers.Len()) {
		if r.db.containers.At(c).kind != typeText {
			continue
		}
		if held, ok := r.mirror.texts[Text(c)]; !ok {
			r.mirror.watch(t, r.db, Text(c))
		} else if got, want := string(utf16.Decode(held)), contentOf(t, r.db, Text(c)); got != want {
			t.Fatalf("who watches text %d holds %q, it is %q", c, got, want)
		}
	}
	var all, some, hidden []string
	for _, o := range r.known.objects() {
		gone := r.known.deleted(o)
		all = append(all, o)
		if gone {
			hidden = append(hidden, o)
		} else if a := r.known.register("value", o, "a"); len(a) > 0 && r.known.atLeastTwo(a[0].value) {
			some = append(some, o)
		}
	}
	r.checkQuery(r.all, all)
	r.checkQuery(r.some, some)
	r.checkQuery(r.hidden, hidden)
	for n, q := range r.sorted { // asked anew it is the same
		fresh, ids, err := r.db.OpenQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		r.db.CloseQuery(fresh)
		var want []string
		for _, v := range splitIDs(ids) {
			want = append(want, v.String())
		}
		r.checkQuery(n, want)
	}
	if got, want := r.db.ObjectCount(), len(all)-len(hidden); got != want {
		t.Fatalf("ObjectCount is %d, want %d", got, want)
	}
	for obj, rec := range r.mirror.records {
		if c := r.db.findObject(obj); c != propertiesRow && fmt.Sprint(rec.creator) == fmt.Sprint(id.FeedID{}) {
			t.Fatalf("record of %s without creator", obj)
		}
	}
}

func (r *replica) checkQuery(n uint32, want []string) {
	var got []string
	for _, v := range r.mirror.lists[n] {
		got = append(got, v.String())
	}
	if !slices.Equal(got, want) {
		r.f.t.Fatalf("live query %d holds\n%v\nthe twin\n%v", n, got, want)
	}
}

// TestDB_O09_O10_O17_replicasAgreeWithTwin runs 2 to 5 replicas over drawn
// transactions, deliveries in any causal order, forks and moves of feeds, and
// compares each with a twin that evaluates the set of ops from scratch.
func TestDB_O09_O10_O17_replicasAgreeWithTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &fleet{t: t, slots: slots{}}
		for range 2 + f.pick(4, "replicas") {
			f.replicas = append(f.replicas, f.newReplica())
		}
		if f.pick(2, "board") == 0 {
			f.shareBoard()
		}
		for range f.pick(50, "steps") {
			r := f.replicas[f.pick(len(f.replicas), "replica")]
			switch f.pick(16, "step") {
			case 0, 1, 2, 3, 4:
				r.transact()
			case 5, 6, 7, 8:
				r.flush()
			case 9, 10, 11, 12, 13:
				r.receive()
			case 14:
				r.check()
			case 15:
				if f.pick(2, "how") == 0 {
					r.fork()
				} else {
					r.move(f.newFeed(), feed.Ref{})
				}
			}
		}
		for _, r := range f.replicas {
			r.check()
			for len(r.pending) > 0 {
				r.flush()
			}
		}
		f.converge()
	})
}

// converge delivers everything everywhere, to a new replica too, in drawn
// orders, and compares.
func (f *fleet) converge() {
	f.replicas = append(f.replicas, f.newReplica())
	first := ""
	for _, r := range f.replicas {
		order := rapid.Permutation(f.pool).Draw(f.t, "order")
		for len(r.known) < len(f.pool) {
			for _, p := range order {
				if !r.known[p.twin] {
					r.apply(p)
				}
			}
		}
		r.check()
		if shown := r.show(); first == "" {
			first = shown
		} else if shown != first {
			f.t.Fatalf("replicas differ:\n%s\n%s", first, shown)
		}
	}
	var frontier []feed.Ref
	for _, r := range f.replicas {
		if got := r.db.Frontier(); frontier != nil && !slices.Equal(got, frontier) {
			f.t.Fatalf("frontiers differ: %v, %v", frontier, got)
		} else {
			frontier = got
		}
	}
}
