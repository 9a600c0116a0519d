package objectdb

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/echospace/echospace/core/crdt/egwalker/plain"
	"github.com/echospace/echospace/core/feed"
)

// The twin holds ops as a set and evaluates them from scratch, with nothing of
// the database's own code: the definition that the database must agree with.

type twinBlock struct {
	ref     feed.Ref // of a pending one without hash
	pending bool
	past    map[*twinBlock]bool // itself not included
	start   uint64
	ops     []*twinOp
}

type twinOp struct {
	block     *twinBlock
	index     int
	kind      string // create, life, value, or add
	container string // object hex, or parent/key@seen
	key       string
	value     string // "" deleted; "@child" a map; "^child" a list; "#child" a counter; "~child" a text; else the encoded value
	// An add, or a value that makes a counter, adds number to that counter.
	counts string
	number int64
	// An edit, or a value that makes a text, edits that text. Of a list the
	// characters stand for slots.
	text    string
	edits   []plain.Op
	content []rune
	also    []*twinOp // the values of the items that an insert makes: a part of the op
	item    string    // a remove or a move: the item
}

// slots tell, per character, which item of a list stands there, and since which op.
type slots map[rune]twinSlot

type twinSlot struct {
	item string
	op   *twinOp
}

// list gives the items of a list in order.
func (t twin) list(list string, all slots) (items []string) {
	now, _ := t.text(list, nil)
	counts := map[string]rune{}
	for _, c := range now {
		s := all[c]
		if other, ok := counts[s.item]; !ok || all[other].op.less(s.op) {
			counts[s.item] = c
		}
	}
	gone := map[string]bool{}
	for b := range t {
		for _, o := range b.ops {
			if o.kind == "remove" {
				gone[o.item] = true
			}
		}
	}
	for _, c := range now {
		if s := all[c]; counts[s.item] == c && !gone[s.item] {
			items = append(items, s.item)
		}
	}
	return items
}

func (t twin) showList(list string, all slots) string {
	var parts []string
	for _, i := range t.list(list, all) {
		parts = append(parts, t.showRegister(list, i, all))
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// values are the ops of a block that write registers.
func (b *twinBlock) values() (out []*twinOp) {
	for _, o := range b.ops {
		out = append(append(out, o), o.also...)
	}
	return out
}

func (b *twinBlock) end() uint64 { return b.start + uint64(len(b.ops)) }

// derive computes the lamport from the past.
func (b *twinBlock) derive() {
	b.start = 1
	for p := range b.past {
		b.start = max(b.start, p.end())
	}
}

func (o *twinOp) lamport() uint64 { return o.block.start + uint64(o.index) }

func (o *twinOp) before(p *twinOp) bool {
	return p.block.past[o.block] || o.block == p.block && o.index < p.index
}

func (o *twinOp) less(p *twinOp) bool {
	if o.lamport() != p.lamport() {
		return o.lamport() < p.lamport()
	}
	if o.block == p.block {
		return o.index < p.index
	}
	return o.block.nameLess(p.block)
}

func (b *twinBlock) nameLess(o *twinBlock) bool {
	if b.ref.Feed != o.ref.Feed {
		return string(b.ref.Feed[:]) < string(o.ref.Feed[:])
	}
	if b.pending != o.pending {
		return o.pending
	}
	return string(b.ref.Hash[:]) < string(o.ref.Hash[:])
}

// twin is what one replica knows.
type twin map[*twinBlock]bool

// register gives the ops of a key that no other follows, the winner first.
func (t twin) register(kind, container, key string) []*twinOp {
	var all, live []*twinOp
	for b := range t {
		for _, o := range b.values() {
			if o.kind == kind && o.container == container && o.key == key {
				all = append(all, o)
			}
		}
	}
	for _, o := range all {
		followed := false
		for _, p := range all {
			followed = followed || o.before(p)
		}
		if !followed {
			live = append(live, o)
		}
	}
	sort.Slice(live, func(i, j int) bool { return live[j].less(live[i]) })
	return live
}

func (t twin) created(object string) *twinOp {
	var first *twinOp
	for b := range t {
		for _, o := range b.ops {
			if o.kind == "create" && o.container == object && (first == nil || o.less(first)) {
				first = o
			}
		}
	}
	return first
}

func (t twin) deleted(object string) bool {
	life := t.register("life", object, "")
	return len(life) > 0 && life[0].value == "deleted"
}

// objects are the created ones by creation.
func (t twin) objects() []string {
	seen := map[string]*twinOp{}
	for b := range t {
		for _, o := range b.ops {
			if o.kind == "create" {
				seen[o.container] = t.created(o.container)
			}
		}
	}
	var out []string
	for o := range seen {
		out = append(out, o)
	}
	sort.Slice(out, func(i, j int) bool { return seen[out[i]].less(seen[out[j]]) })
	return out
}

func (t twin) keysOf(container string) []string {
	set := map[string]bool{}
	for b := range t {
		for _, o := range b.values() {
			if o.kind == "value" && o.container == container {
				set[o.key] = true
			}
		}
	}
	var out []string
	for k := range set {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// show prints a value and everything in it, conflicts included.
func (t twin) show(o *twinOp, all slots) string {
	switch {
	case strings.HasPrefix(o.value, "@"):
		return t.showMap(o.value[1:], all)
	case strings.HasPrefix(o.value, "^"):
		return t.showList(o.value[1:], all)
	case strings.HasPrefix(o.value, "#"):
		return fmt.Sprintf("8(%d)", t.sum(o.value[1:]))
	case strings.HasPrefix(o.value, "~"):
		text, _ := t.text(o.value[1:], nil)
		return fmt.Sprintf("7(%q)", string(text))
	}
	return o.value
}

// text is what a text comes to, and what the block last, if it is not nil, does
// to what all others made of it: the block is put behind them.
func (t twin) text(text string, last *twinBlock) ([]rune, []plain.Edit) {
	var blocks []*twinBlock
	for b := range t {
		if b != last && slices.ContainsFunc(b.ops, func(o *twinOp) bool { return o.text == text && len(o.edits) > 0 }) {
			blocks = append(blocks, b)
		}
	}
	sort.Slice(blocks, func(i, j int) bool { // parents first
		a, b := blocks[i], blocks[j]
		return a.start < b.start || a.start == b.start && a.nameLess(b)
	})
	if last != nil {
		blocks = append(blocks, last)
	}
	h := plain.History{
		Follows: func(a, b int) bool { return blocks[a].past[blocks[b]] },
		Before:  func(a, b int) bool { return blocks[a].nameLess(blocks[b]) },
	}
	for _, b := range blocks {
		var e plain.Event
		for _, o := range b.ops {
			if o.text == text {
				e.Ops, e.Content = append(e.Ops, o.edits...), append(e.Content, o.content...)
			}
		}
		h.Events = append(h.Events, e)
	}
	return h.Replay()
}

// forked reports whether a text was edited by what block b does not follow.
func (t twin) forked(text string, b *twinBlock) bool {
	for other := range t {
		for _, o := range other.ops {
			if o.text == text && len(o.edits) > 0 && other != b && !b.past[other] {
				return true
			}
		}
	}
	return false
}

// rebase gives the edits of texts that block b comes to behind all others of t.
func (t twin) rebase(b *twinBlock) map[string][]plain.Edit {
	out := map[string][]plain.Edit{}
	for _, o := range b.ops {
		if o.text != "" && out[o.text] == nil {
			_, out[o.text] = t.text(o.text, b)
		}
	}
	return out
}

// setEdits has the first edit of each text do all that the block does to it.
func (b *twinBlock) setEdits(edits map[string][]plain.Edit) {
	for _, o := range b.ops {
		if o.text == "" {
			continue
		}
		o.edits, o.content = nil, nil
		for _, e := range edits[o.text] {
			o.edits = append(o.edits, plain.Op{Delete: e.Delete, Pos: e.Pos, Len: len(e.Content)})
			if !e.Delete {
				o.content = append(o.content, e.Content...)
			}
		}
		edits[o.text] = nil
	}
}

// sum is what was added to a counter.
func (t twin) sum(counter string) (n int64) {
	for b := range t {
		for _, o := range b.values() {
			if o.counts == counter {
				n += o.number
			}
		}
	}
	return n
}

func (t twin) showMap(container string, all slots) string {
	var b strings.Builder
	b.WriteByte('{')
	for _, k := range t.keysOf(container) {
		fmt.Fprintf(&b, "%s:%s ", k, t.showRegister(container, k, all))
	}
	b.WriteByte('}')
	return b.String()
}

func (t twin) showRegister(container, key string, all slots) string {
	var values []string
	seen := map[string]bool{}
	for _, o := range t.register("value", container, key) {
		if o.value != "" && strings.Contains("@#~^", o.value[:1]) {
			if seen[o.value] {
				continue
			}
			seen[o.value] = true
		}
		values = append(values, t.show(o, all))
	}
	return strings.Join(values, "|")
}

func (t twin) lastSeen(container, key string) string {
	r := t.register("value", container, key)
	if len(r) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d:%x", r[0].lamport(), r[0].block.ref.Feed[:])
}

// value is what stands at a key of a map, or at an item of a list; empty if
// nothing does.
func (t twin) value(container, key string) string {
	if r := t.register("value", container, key); len(r) > 0 {
		return r[0].value
	}
	return ""
}

func (t twin) showObject(object string, all slots) string {
	c := t.created(object)
	return fmt.Sprintf("%s deleted=%v by %d:%x %s", object, t.deleted(object), c.lamport(), c.block.ref.Feed[:2], t.showMap(object, all))
}
