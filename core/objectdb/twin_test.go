package objectdb

import (
	"fmt"
	"sort"
	"strings"

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
	value     string // "" deleted; "@child" a map; "#child" a counter; else the encoded value
	// An add, or a value that makes a counter, adds number to that counter.
	counts string
	number int64
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
	a, b := o.block.ref, p.block.ref
	if a.Feed != b.Feed {
		return string(a.Feed[:]) < string(b.Feed[:])
	}
	if o.block.pending != p.block.pending {
		return p.block.pending
	}
	if a.Hash != b.Hash {
		return string(a.Hash[:]) < string(b.Hash[:])
	}
	return o.index < p.index
}

// twin is what one replica knows.
type twin map[*twinBlock]bool

// register gives the ops of a key that no other follows, the winner first.
func (t twin) register(kind, container, key string) []*twinOp {
	var all, live []*twinOp
	for b := range t {
		for _, o := range b.ops {
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
		for _, o := range b.ops {
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
func (t twin) show(o *twinOp) string {
	switch {
	case strings.HasPrefix(o.value, "@"):
		return t.showMap(o.value[1:])
	case strings.HasPrefix(o.value, "#"):
		return fmt.Sprintf("8(%d)", t.sum(o.value[1:]))
	}
	return o.value
}

// sum is what was added to a counter.
func (t twin) sum(counter string) (n int64) {
	for b := range t {
		for _, o := range b.ops {
			if o.counts == counter {
				n += o.number
			}
		}
	}
	return n
}

func (t twin) showMap(container string) string {
	var b strings.Builder
	b.WriteByte('{')
	for _, k := range t.keysOf(container) {
		fmt.Fprintf(&b, "%s:%s ", k, t.showRegister(container, k))
	}
	b.WriteByte('}')
	return b.String()
}

func (t twin) showRegister(container, key string) string {
	var values []string
	seen := map[string]bool{}
	for _, o := range t.register("value", container, key) {
		if strings.HasPrefix(o.value, "@") || strings.HasPrefix(o.value, "#") {
			if seen[o.value] {
				continue
			}
			seen[o.value] = true
		}
		values = append(values, t.show(o))
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

// resolve walks a path to a container, or gives false.
func (t twin) resolve(container string, path []string) (string, bool) {
	for _, k := range path {
		r := t.register("value", container, k)
		if len(r) == 0 || !strings.HasPrefix(r[0].value, "@") {
			return "", false
		}
		container = r[0].value[1:]
	}
	return container, true
}

func (t twin) showObject(object string) string {
	c := t.created(object)
	return fmt.Sprintf("%s deleted=%v by %d:%x %s", object, t.deleted(object), c.lamport(), c.block.ref.Feed[:2], t.showMap(object))
}
