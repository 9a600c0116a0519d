package objectdb

import (
	"math"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Change is one transaction as a block tells it.
type Change struct {
	Time    int64 // milliseconds since 1970, by its author's clock
	Message string
	Touched []Touch // in the order of their first use
}

// Touch is what a change does to one object.
type Touch struct {
	Object id.ObjectID
	Kind   TouchKind
	// Paths are the properties that it writes, each once, as keys from the object
	// on. What is inside of a list, or of a map that the change makes, is told as
	// the list or the map.
	Paths [][]string
}

// TouchKind tells creation, deletion and restoring from other edits. Of several
// in one change the last counts, but a creation stays one.
type TouchKind uint8

// The kinds of touches.
const (
	TouchEdit TouchKind = iota
	TouchCreate
	TouchDelete
	TouchRestore
)

// Reader decodes payloads outside of any database. It keeps its memory from one
// to the next and is for one goroutine. The zero value has the default limits.
type Reader struct {
	p     payload
	heads []changeHead
}

// read decodes a payload with its changes.
func (r *Reader) read(raw []byte) error {
	r.heads = r.heads[:0]
	r.p.heads = &r.heads
	return r.p.decode(raw, Limits{}.withDefaults())
}

// PayloadObjects gives the ids, of 16 bytes each, of all objects that a payload is
// about, which share its memory. It looks at nothing else of the payload, which is
// one that was applied.
func PayloadObjects(raw []byte) ([]byte, error) {
	r := wire.NewReader(raw)
	r.ArrayLen(math.MaxInt32)
	r.Uint(math.MaxUint64)
	r.Bytes(maxTable)
	r.Skip()
	objects := r.Bytes(maxTable)
	if err := r.Err(); err != nil {
		return nil, errs.New("objectdb.PayloadObjects", errs.Malformed, "the tables of a payload do not read: %w", err)
	}
	return objects, nil
}

// Changes gives the changes of a payload, in their order. It fails like Apply.
func (r *Reader) Changes(raw []byte) ([]Change, error) {
	if err := r.read(raw); err != nil {
		return nil, err
	}
	defer r.p.release()
	out := make([]Change, len(r.heads))
	w := toucher{p: &r.p}
	time := int64(0)
	for i, head := range r.heads {
		end := len(r.p.ops)
		if i+1 < len(r.heads) {
			end = r.heads[i+1].first
		}
		time += head.time
		out[i] = Change{Time: time, Message: string(head.message), Touched: w.change(r.p.ops[head.first:end])}
	}
	return out, nil
}

// toucher walks the ops of a payload. The cursor outlives a change.
type toucher struct {
	p      *payload
	object int32
	path   []step
	list   []Touch
	at     map[int32]int   // of an object in list
	seen   map[string]bool // paths of list, behind their objects
	key    []byte
}

// step is one that leads from the object to the cursor.
type step struct {
	key   int32
	list  bool // it leads to a list
	fresh bool // the change made what it leads to
}

func (w *toucher) change(ops []op) []Touch {
	w.list, w.at, w.seen = nil, map[int32]int{}, map[string]bool{}
	for i := range w.path {
		w.path[i].fresh = false
	}
	for i := range ops {
		w.op(&ops[i])
	}
	return w.list
}

func (w *toucher) op(o *op) {
	switch o.code {
	case elemCreate:
		w.object, w.path = o.index, w.path[:0]
		w.touch().Kind = TouchCreate
	case elemSelect:
		w.object, w.path = o.index, w.path[:0]
	case elemEnter, elemEnterSeen, elemEnterList, elemEnterListSeen:
		w.path = append(w.path, step{key: o.index, list: o.code <= elemEnterList})
	case elemLeave:
		w.path = w.path[:len(w.path)-1]
	case elemPut, elemPutSeen, elemList, elemListSeen:
		w.write(o.index)
		w.path = append(w.path, step{o.index, o.code <= elemList, true})
	case elemDelete:
		w.life(TouchDelete)
	case elemRestore:
		w.life(TouchRestore)
	case elemInsert, elemRemove, elemMove:
		w.write(none)
	default:
		w.write(o.index)
	}
}

// touch is what the change does to the object under the cursor.
func (w *toucher) touch() *Touch {
	i, ok := w.at[w.object]
	if !ok {
		i = len(w.list)
		w.at[w.object] = i
		w.list = append(w.list, Touch{Object: w.p.object(w.object)})
	}
	return &w.list[i]
}

func (w *toucher) life(k TouchKind) {
	if t := w.touch(); t.Kind != TouchCreate {
		t.Kind = k
	}
}

// write notes a write of a key under the cursor, or of the list that it is at.
func (w *toucher) write(key int32) {
	t := w.touch()
	w.key = wire.AppendUint(w.key[:0], uint64(w.object))
	var path []string
	add := func(k int32) {
		path = append(path, string(w.p.keys[k]))
		w.key = wire.AppendUint(w.key, uint64(k))
	}
	for _, s := range w.path {
		add(s.key)
		if s.list || s.fresh {
			key = none
			break
		}
	}
	if key != none {
		add(key)
	}
	if !w.seen[string(w.key)] {
		w.seen[string(w.key)] = true
		t.Paths = append(t.Paths, path)
	}
}

// PayloadTime gives when the first change of a payload was made, in milliseconds
// since 1970. It looks at nothing else of the payload, which is one that was
// applied.
func PayloadTime(raw []byte) (int64, error) {
	r := wire.NewReader(raw)
	for n := r.ArrayLen(math.MaxInt32); n > 1 && r.Err() == nil; n-- {
		r.Skip()
	}
	r.ArrayLen(math.MaxInt32)
	r.Array(3)
	time := r.Int()
	if err := r.Err(); err != nil {
		return 0, errs.New("objectdb.PayloadTime", errs.Malformed, "the changes of a payload do not read: %w", err)
	}
	return time, nil
}

// TextRun is characters of a text that stand together and came in one block.
type TextRun struct {
	Node crdt.Node
	Len  int32 // in UTF-16 code units
}

// TextRuns gives which block wrote each part of a text, in order. It replays the
// history of the text.
func (db *DB) TextRuns(t Text) ([]TextRun, error) {
	x, err := db.text(t)
	if err != nil {
		return nil, err
	}
	var out []TextRun
	var bounds []boundary // the sequence has those of marks among the characters
	if x.marks != nil {
		bounds = x.marks.bounds
	}
	end, passed := int32(0), 0
	for _, r := range x.layout(db) {
		end += r.Len
		for passed < len(bounds) && bounds[passed].at+int32(passed) < end {
			r.Len--
			passed++
		}
		if n := len(out); n > 0 && out[n-1].Node == x.nodes[r.Event] {
			out[n-1].Len += r.Len
		} else if r.Len > 0 {
			out = append(out, TextRun{x.nodes[r.Event], r.Len})
		}
	}
	return out, nil
}
