package objectdb

import (
	"fmt"
	"math"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Step is one step of a path in an object: a key of a map, or the place of an
// item in a list.
type Step struct {
	key    string
	place  int
	inList bool
}

// Key is a step to a key of a map.
func Key(k string) Step { return Step{key: k} }

// At is a step to the n-th item of a list.
func At(n int) Step { return Step{place: n, inList: true} }

func (s Step) String() string {
	if s.inList {
		return fmt.Sprint(s.place)
	}
	return fmt.Sprintf("%q", s.key)
}

// ReadStep reads a step: a str, or an integer.
func ReadStep(r *wire.Reader) Step {
	if r.Peek() == wire.Uint {
		return At(int(r.Uint(math.MaxInt32)))
	}
	return Key(r.String(math.MaxInt32))
}

// walk goes along a path and gives the place that it leads to, whose key is none
// if no such key was ever used; false if there is no map or list on the way.
func (db *DB) walk(object id.ObjectID, path []Step) (p place, ok bool) {
	c := db.findObject(object)
	if c == none || len(path) == 0 || !db.exists(c) {
		return p, false
	}
	for i, s := range path {
		if i > 0 {
			if c = db.containerAt(p); c == none {
				return p, false
			}
		}
		p = place{c, db.keys.Find([]byte(s.key))}
		if isList := db.containers.At(c).kind == typeList; isList != s.inList {
			return p, false
		}
		if s.inList {
			item := db.shownItem(c, s.place)
			if item == none {
				return p, false
			}
			p.key = itemKey(item)
		}
	}
	return p, true
}

// containerAt gives the map or list at a place, or none.
func (db *DB) containerAt(p place) int32 {
	if c := db.childOf(p.container, p.key, typeMap); c != none {
		return c
	}
	return db.childOf(p.container, p.key, typeList)
}

// ItemCount is how many items of lists this database has numbered: the number of
// the next in the records.
func (db *DB) ItemCount() int { return db.items.Len() }
