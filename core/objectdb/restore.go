package objectdb

import (
	"bytes"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// RestoreOps gives the local ops after which the objects are as they were in past,
// a database that holds a version of this one: those that can be seen there have
// the same contents, the others are deleted. What was edited since is edited back
// by as little as it takes: texts and lists by parts, counters by the difference,
// and texts are formatted anew where they are formatted in another way.
// Nothing is changed here. No ops are needed where nothing differs.
func (db *DB) RestoreOps(past *DB, objects []id.ObjectID) []byte {
	r := restorer{}
	for _, v := range objects {
		before, now := past.Plain(v), db.Plain(v)
		switch {
		case before == nil && now == nil || bytes.Equal(before, now):
			continue
		case before == nil:
			r.ops = r.head(localDelete, v)
			continue
		case now == nil:
			r.ops = r.head(localRestore, v)
			now = db.plainOf(v)
		}
		r.object = v
		r.maps(before, now)
	}
	return r.ops
}

// plainOf is Plain of an object that may be deleted.
func (db *DB) plainOf(object id.ObjectID) []byte {
	db.plainly = true
	defer func() { db.plainly = false }()
	return db.appendMap(nil, db.findObject(object))
}

// restorer writes ops. A path is of encoded steps.
type restorer struct {
	ops    []byte
	object id.ObjectID
	path   [][]byte
}

func (r *restorer) head(code uint64, object id.ObjectID) []byte {
	b := wire.AppendUint(wire.AppendArray(r.ops, localArity[code]), code)
	return wire.AppendBytes(b, object[:])
}

// op begins an op about what the path leads to.
func (r *restorer) op(code uint64) {
	r.ops = wire.AppendArray(r.head(code, r.object), len(r.path))
	for _, step := range r.path {
		r.ops = append(r.ops, step...)
	}
}

// at runs f with one more step.
func (r *restorer) at(step []byte, f func()) {
	r.path = append(r.path, step)
	f()
	r.path = r.path[:len(r.path)-1]
}

// maps makes before of now, which is under the path.
func (r *restorer) maps(before, now []byte) {
	union(before, now, func(key string, x, y []byte) {
		if !bytes.Equal(x, y) {
			r.at(wire.AppendString(nil, key), func() { r.value(x, y) })
		}
	})
}

// value makes value x of y, which is under the path.
func (r *restorer) value(x, y []byte) {
	if x == nil {
		r.op(localDelKey)
		return
	}
	if kind := kindOf(x); kind == kindOf(y) {
		switch kind {
		case valueMap:
			r.maps(x, y)
			return
		case valueList:
			if !bytes.Equal(appendShown(nil, x, true), appendShown(nil, y, true)) {
				r.list(entries(x), entries(y))
			}
			return
		case valueText:
			r.text(x, y)
			return
		case valueCounter:
			r.op(localAdd)
			r.ops = wire.AppendInt(r.ops, numberOf(x)-numberOf(y))
			return
		}
	}
	r.op(localSet)
	r.ops = appendNameless(r.ops, x)
	r.fill(x)
}

func (r *restorer) text(before, now []byte) {
	steps := TextDelta(charsOf(now), charsOf(before))
	pos := 0
	for _, s := range steps {
		pos += s.Retain
		if s.Delete == 0 && s.Insert == "" {
			continue
		}
		r.op(localEdit)
		r.ops = wire.AppendUint(r.ops, uint64(pos))
		r.ops = wire.AppendUint(r.ops, uint64(s.Delete))
		r.ops = wire.AppendString(r.ops, s.Insert)
		for _, c := range s.Insert {
			pos++
			if c > 0xffff {
				pos++
			}
		}
	}
	r.formats(steps, before, now)
}

// list makes before of now: items that came since are removed, those that are in
// both are moved, as few as it takes, those that were removed are made again, and
// what the others hold is restored in them.
func (r *restorer) list(before, now []entry) {
	wanted := map[string]int{} // the place of an item in before
	for i, e := range before {
		if _, twice := wanted[e.name]; !twice {
			wanted[e.name] = i
		}
	}
	now = r.removeItems(wanted, now)
	r.orderItems(wanted, now)
	here := make([][]byte, len(before)) // what an item holds, if it is here
	for _, e := range now {
		here[wanted[e.name]] = e.value
	}
	for i := 0; i < len(before); {
		if here[i] != nil {
			i++
			continue
		}
		n := i
		for n < len(before) && here[n] == nil {
			n++
		}
		r.splice(i, 0, before[i:n])
		i = n
	}
	for i, e := range before {
		if here[i] != nil && !bytes.Equal(e.value, here[i]) {
			r.at(wire.AppendUint(nil, uint64(i)), func() { r.value(e.value, here[i]) })
		}
	}
}

func (r *restorer) splice(at, removed int, items []entry) {
	r.op(localSplice)
	r.ops = wire.AppendUint(wire.AppendUint(r.ops, uint64(at)), uint64(removed))
	r.ops = wire.AppendArray(r.ops, len(items))
	for _, e := range items {
		r.ops = appendNameless(r.ops, e.value)
	}
	for i, e := range items {
		r.at(wire.AppendUint(nil, uint64(at+i)), func() { r.fill(e.value) })
	}
}

// removeItems removes the items that are not wanted, the last first, and gives
// those that stay.
func (r *restorer) removeItems(wanted map[string]int, now []entry) []entry {
	used := map[string]bool{}
	stays := make([]bool, len(now))
	var kept []entry
	for i, e := range now {
		if _, is := wanted[e.name]; is && !used[e.name] {
			used[e.name], stays[i] = true, true
			kept = append(kept, e)
		}
	}
	for end := len(now); end > 0; {
		from := end
		for from > 0 && !stays[from-1] {
			from--
		}
		if from == end {
			end--
			continue
		}
		r.splice(from, end-from, nil)
		end = from
	}
	return kept
}

// orderItems moves items so that they stand as is wanted. The longest sequence of
// them that stands so already is not moved.
func (r *restorer) orderItems(wanted map[string]int, now []entry) {
	at := make([]int, len(now)) // the wanted places, in the order of the list
	for i, e := range now {
		at[i] = wanted[e.name]
	}
	stay := longestAscending(at)
	order := append([]int(nil), at...)
	sort.Slice(order, func(i, j int) bool { return order[i] < order[j] })
	for k, w := range order {
		if stay[w] {
			continue
		}
		from, to := 0, 0
		for i, v := range at {
			if v == w {
				from = i
			}
			if k > 0 && v == order[k-1] {
				to = i + 1 // behind the one that is wanted before it
			}
		}
		if from < to {
			to--
		}
		if from == to {
			continue
		}
		r.op(localMove)
		r.ops = wire.AppendUint(wire.AppendUint(r.ops, uint64(from)), uint64(to))
		copy(at[from:], at[from+1:])
		copy(at[to+1:], at[to:len(at)-1])
		at[to] = w
	}
}

// longestAscending gives the numbers of a longest ascending subsequence of numbers
// that are all different.
func longestAscending(list []int) map[int]bool {
	var ends []int // by length the place of the least number that such a sequence ends with
	before := make([]int, len(list))
	for i, v := range list {
		n := sort.Search(len(ends), func(n int) bool { return list[ends[n]] >= v })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	out := map[int]bool{}
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			out[list[i]] = true
		}
	}
	return out
}

// Rewrite is Local for a transaction that the page did not make itself: Changes
// has the records of its objects, and tells what happened in texts as it does of
// blocks. message, if it is not empty, is for the history; one over 1 KiB is
// TooLarge. It is a step of its own of the undo stack.
func (db *DB) Rewrite(ops []byte, timeMs int64, message string) error {
	if err := db.mayWrite(); err != nil {
		return err
	}
	if len(message) > maxMessage {
		return errs.New("objectdb.Rewrite", errs.TooLarge, "a message of %d bytes, limit %d", len(message), maxMessage)
	}
	var said []byte
	if message != "" {
		said = []byte(message)
	}
	db.EndStep()
	defer db.EndStep()
	return db.localOps(ops, timeMs, said, true)
}
