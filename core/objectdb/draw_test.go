package objectdb

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/echospace/echospace/core/crdt/egwalker/plain"
	"github.com/echospace/echospace/core/id"
)

// keepsToWhatFits tells whether an op is to be one that is taken. In a long run most are:
// what is refused ends its transaction.
func (f *fleet) keepsToWhatFits() bool { return *focus != "" && f.pick(16, "fits") > 0 }

// spot is where a value stands: at a key of an object.
type spot struct {
	object id.ObjectID
	key    string
	child  string // the container that stands there
}

// spots finds the values of a kind of container, by its mark.
func (r *replica) spots(mark string) (out []spot) {
	for _, o := range r.known.objects() {
		for _, key := range []string{"a", "b", "c"} {
			if v := r.known.value(o, key); v != "" && strings.HasPrefix(v, mark) {
				raw, _ := hex.DecodeString(o)
				out = append(out, spot{id.ObjectID(raw), key, v[1:]})
			}
		}
	}
	return out
}

// typeText edits a text in a transaction of its own, if there is a text.
func (r *replica) typeText() bool {
	t := r.f.t
	texts := r.spots("~")
	if len(texts) == 0 {
		return false
	}
	text := texts[r.f.pick(len(texts), "text")]
	row, err := r.db.FindText(text.object, Key(text.key))
	if err != nil {
		t.Fatal(err)
	}
	if !r.db.undo.joins(int32(row), 1000) {
		r.endStep()
	}
	r.begin()
	if !r.typed {
		r.edited = ""
	}
	op, ok := r.drawEdit(text.child)
	r.typed = r.typed || ok
	if err := r.db.EditText(row, op.pos, op.deleted, []byte(op.inserted), 1000); ok != (err == nil) {
		t.Fatalf("edit: %v, the twin says %v", err, ok)
	}
	r.abandonEmpty()
	return true
}

// drawOpOf draws an op of a type, on a value of it that there is.
func (r *replica) drawOpOf(kind string) ([]byte, bool) {
	of := map[string]struct {
		mark        string
		kind, kinds int // of drawOpAt
	}{"counter": {"#", 12, 1}, "list": {"^", 18, 7}, "text": {"~", 14, 1}}[kind]
	if kind == "object" {
		return r.drawOpOn([]int{1, 2, 2, 2, 3, 3, 3}[r.f.pick(7, "create, delete, restore")])
	}
	switch at := r.spots(of.mark); {
	case len(at) == 0:
		return r.drawOp()
	case kind == "register":
		key := r.drawKey()
		p := at[r.f.pick(len(at), "object")]
		return r.drawOpAt(p.object, 5+r.f.pick(7, "set"), p.object.String(), false, key, []any{key})
	default:
		p := at[r.f.pick(len(at), "spot")]
		return r.drawOpAt(p.object, of.kind+r.f.pick(of.kinds, "kind"), p.object.String(), false, p.key, []any{p.key})
	}
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
	if r.f.keepsToWhatFits() {
		e.pos = min(e.pos, len(now))
		e.deleted = min(e.deleted, len(now)-e.pos)
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

// drawOp draws an op, runs it on the twin, and tells whether it is one that
// the database must take.
func (r *replica) drawOp() ([]byte, bool) {
	if r.f.board && r.f.pick(3, "on the board") > 0 {
		return r.drawOpOnBoard()
	}
	return r.drawOpOn(r.f.pick(25, "kind"))
}

// drawOpOn draws an op of a kind on an object that is drawn.
func (r *replica) drawOpOn(kind int) ([]byte, bool) {
	if kind <= 1 {
		r.f.objects++
		obj := objID(r.f.objects)
		r.add(twinOp{kind: "create", container: obj.String()})
		m := r.drawMap(obj.String(), 1)
		return opCreate(obj, m), true
	}
	objects := r.known.objects()
	if len(objects) == 0 || !r.f.keepsToWhatFits() {
		objects = append(objects, PropertiesID.String())
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

// shareBoard gives all replicas an object with a list, a counter and a text.
func (f *fleet) shareBoard() {
	f.board = true
	r := f.replicas[0]
	r.transaction(func() ([]byte, bool) {
		f.objects++
		obj := objID(f.objects)
		r.add(twinOp{kind: "create", container: obj.String()})
		list := obj.String() + "/a^none"
		r.add(twinOp{kind: "value", container: obj.String(), key: "a", value: "^" + list})
		items := vList(r.drawItems(list, 0, 4, 2)...)
		counter, text := obj.String()+"/b#none", obj.String()+"/c~none"
		r.add(twinOp{kind: "value", container: obj.String(), key: "b", value: "#" + counter, counts: counter})
		r.add(twinOp{kind: "value", container: obj.String(), key: "c", value: "~" + text, text: text})
		return opCreate(obj, map[string][]byte{"a": items, "b": vTyped(valueCounter, vInt(0)), "c": vText("")}), true
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
	if r.f.keepsToWhatFits() {
		at = min(at, len(items))
		removed = min(removed, len(items)-at)
	}
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
	if len(items) > 0 && r.f.keepsToWhatFits() {
		from, to = from%len(items), to%len(items)
	}
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
