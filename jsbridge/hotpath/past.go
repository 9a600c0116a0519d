//go:build js

package hotpath

import (
	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/objectdb"
)

// objects is what exports read from: a space, or the database of a version of one.
type objects interface {
	Objects(op string, f func(db *objectdb.DB) error) error
}

var _ objects = (*client.Space)(nil)

// past is the database of a version, which nobody changes.
type past struct{ db *objectdb.DB }

// Objects implements objects.
func (p past) Objects(_ string, f func(db *objectdb.DB) error) error { return f(p.db) }

// RegisterPast gives the database of a version a handle, a negative number, for
// the exports that read: es_read, es_query_open, es_conflicts and those of texts.
func RegisterPast(db *objectdb.DB) int {
	for i, other := range door.pasts {
		if other == nil {
			door.pasts[i] = db
			return -i - 1
		}
	}
	door.pasts = append(door.pasts, db)
	return -len(door.pasts)
}

// ReleasePast takes a handle of RegisterPast back, and with it the database.
func ReleasePast(handle int) {
	if handle < 0 && -handle <= len(door.pasts) {
		door.pasts[-handle-1] = nil
	}
}

// reading resolves a handle for an export that reads. It is in many, and would make
// each longer.
//
//go:noinline
func reading(handle int32) (objects, error) {
	if handle >= 0 {
		sp, err := space(handle)
		return sp, err
	}
	if int(-handle) > len(door.pasts) || door.pasts[-handle-1] == nil {
		return nil, errs.New(op, errs.Closed, "the version was closed")
	}
	return past{door.pasts[-handle-1]}, nil
}

// read resolves a handle for an export that reads, and the input.
//
//go:noinline
func read(handle, n int32) (objects, []byte, error) {
	o, err := reading(handle)
	if err != nil {
		return nil, nil, err
	}
	in, err := input(n)
	return o, in, err
}
