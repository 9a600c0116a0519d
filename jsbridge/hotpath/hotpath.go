//go:build js

package hotpath

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

// door is the state behind the exports, which have no receiver: the one place
// in the project where a package variable holds state. It is only touched by
// the page's single thread.
var door struct {
	spaces []*client.Space // by handle - 1; nil when given back
	pasts  []*objectdb.DB  // by -handle - 1, likewise
	in     []byte          // filled by JavaScript
	out    []byte          // filled by Go, valid until the next export
	crash  func(error)     // told of a panic
	dead   error           // after a panic: what every export answers
}

// OnCrash sets what is told of a panic in an export.
func OnCrash(f func(error)) { door.crash = f }

// Register gives a space a handle, a positive number, for the exports.
func Register(sp *client.Space) int {
	for i, other := range door.spaces {
		if other == nil {
			door.spaces[i] = sp
			return i + 1
		}
	}
	door.spaces = append(door.spaces, sp)
	return len(door.spaces)
}

// Release takes a handle back.
func Release(handle int) {
	if handle > 0 && handle <= len(door.spaces) {
		door.spaces[handle-1] = nil
	}
}

const op = "space.db"

func space(handle int32) (*client.Space, error) {
	if handle <= 0 || int(handle) > len(door.spaces) || door.spaces[handle-1] == nil {
		return nil, errs.New(op, errs.Closed, "handle %d is of no open space", handle)
	}
	return door.spaces[handle-1], nil
}

// input is the first n bytes that JavaScript wrote.
func input(n int32) ([]byte, error) {
	if n < 0 || int(n) > len(door.in) {
		return nil, errs.New(op, errs.InvalidArgument, "%d bytes are not in a buffer of %d", n, len(door.in))
	}
	return door.in[:n], nil
}

// catch is deferred by every export: a panic is the end of all.
func catch(status *int32) {
	p := recover()
	if p == nil {
		return
	}
	door.dead = errs.New(op, errs.Crashed, "the core panicked: %v", p)
	*status = fail(door.dead)
	if door.crash != nil {
		door.crash(door.dead)
	}
}

// result runs f and turns what it gives into a length or a negative kind.
func result(f func() ([]byte, error)) (status int32) {
	defer catch(&status)
	if door.dead != nil {
		return fail(door.dead)
	}
	out, err := f()
	if err != nil {
		return fail(err)
	}
	door.out = out
	return int32(len(out))
}

// fail keeps [kind, message] for es_error.
func fail(err error) int32 {
	kind := errs.KindOf(err)
	b := wire.AppendArray(nil, 2)
	b = wire.AppendUint(b, uint64(kind))
	door.out = wire.AppendString(b, fmt.Sprint(err))
	return -int32(kind)
}

func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// roomSize is how large the input buffer is at least. One that has a larger
// transaction in it becomes that transaction's, which saves a copy.
const roomSize = 64 << 10

// esBuffer gives the address of an input buffer of at least size bytes; it
// stays valid until a call with a larger size, or until a transaction of more than
// roomSize bytes is applied.
//
//go:wasmexport es_buffer
func esBuffer(size int32) unsafe.Pointer {
	if int(size) > len(door.in) {
		door.in = make([]byte, max(int(size), roomSize))
	}
	return pointer(door.in)
}

// esOut gives the address of the last output.
//
//go:wasmexport es_out
func esOut() unsafe.Pointer { return pointer(door.out) }

// esError gives the length of the output [kind, message] of the last failure.
//
//go:wasmexport es_error
func esError() int32 { return int32(len(door.out)) }

// esApply applies the operations in the input as one transaction, made at a time
// in milliseconds since 1970. If endStep is not 0, no later one joins its step of the
// undo stack.
//
//go:wasmexport es_apply
func esApply(handle, n int32, now float64, endStep int32) int32 {
	return result(func() ([]byte, error) {
		sp, ops, err := call(handle, n)
		if n > roomSize {
			door.in = nil
		} else {
			ops = append([]byte(nil), ops...)
		}
		if err != nil {
			return nil, err
		}
		return nil, sp.EditAt(ops, int64(now), endStep != 0)
	})
}

// call resolves a handle and the input.
func call(handle, n int32) (*client.Space, []byte, error) {
	sp, err := space(handle)
	if err != nil {
		return nil, nil, err
	}
	in, err := input(n)
	return sp, in, err
}

// esRead reads the objects whose ids stand in the input.
//
//go:wasmexport es_read
func esRead(handle, n int32) int32 {
	return result(func() (out []byte, err error) {
		sp, ids, err := read(handle, n)
		if err != nil {
			return nil, err
		}
		err = sp.Objects(op, func(db *objectdb.DB) error {
			out = db.ReadMany(ids)
			return nil
		})
		return out, err
	})
}

// esQueryClose ends a live query; one that is unknown is no error.
//
//go:wasmexport es_query_close
func esQueryClose(handle, number int32) int32 {
	return result(func() ([]byte, error) {
		sp, err := reading(handle)
		if err != nil {
			return nil, nil
		}
		err = sp.Objects(op, func(db *objectdb.DB) error {
			db.CloseQuery(uint32(number))
			return nil
		})
		if errs.Is(err, errs.SpaceClosed) {
			err = nil // its queries ended with it
		}
		return nil, err
	})
}

// esChanges drains about limit bytes of changes; 0 when there are none.
//
//go:wasmexport es_changes
func esChanges(handle, limit int32) int32 {
	return result(func() ([]byte, error) {
		sp, err := space(handle)
		if err != nil {
			return nil, err
		}
		return sp.Changes(int(limit)), nil
	})
}

// esConflicts gives the values that were set concurrently: the input is
// [object, [step...]], the output an array of bin, the winner first: each holds
// an encoded value, or nothing for a deletion.
//
//go:wasmexport es_conflicts
func esConflicts(handle, n int32) int32 {
	return result(func() (out []byte, err error) {
		sp, in, err := read(handle, n)
		if err != nil {
			return nil, err
		}
		obj, path, err := readPath(in)
		if err != nil {
			return nil, err
		}
		err = sp.Objects(op, func(db *objectdb.DB) error {
			values := db.Conflicts(obj, path...)
			out = wire.AppendArray(nil, len(values))
			for _, v := range values {
				out = wire.AppendBytes(out, v)
			}
			return nil
		})
		return out, err
	})
}

// turns is how often esYield gives way: an edit wakes the loop of its space,
// which wakes the goroutine that stores. With one turn the second waited for
// the next event from outside, up to a second.
const turns = 8

// esYield lets the goroutines that exports woke, those that they wake, and the
// collector run.
//
//go:wasmexport es_yield
func esYield() int32 {
	for range turns {
		runtime.Gosched()
	}
	return 0
}
