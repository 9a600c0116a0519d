package objectdb

import (
	"bytes"
	"slices"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// PropertyChange is how one property differs between two states of an object.
type PropertyChange struct {
	Path []string // keys from the object on; those of lists are not gone into
	// Before and After are encoded values, with what containers hold, but without
	// the names of items: as Local takes them. Nil is no value.
	Before, After []byte
	// Delta is how a text became another, and is formatted in another way: then the
	// values are nil. In a list, whose values stand for all that is in it, these are
	// equal if it is only that texts are formatted in another way.
	Delta []TextStep
}

// DiffPlain gives how two states of an object differ, as Plain gives them, by the
// paths of the properties.
func DiffPlain(before, after []byte) []PropertyChange {
	var d differ
	d.maps(before, after)
	return d.out
}

type differ struct {
	path []string
	out  []PropertyChange
}

// union goes through the keys of two maps, ascending, with the values of both.
func union(before, after []byte, f func(key string, before, after []byte)) {
	a, b := entries(before), entries(after)
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].name < b[0].name:
			f(a[0].name, a[0].value, nil)
			a = a[1:]
		case len(a) == 0 || b[0].name < a[0].name:
			f(b[0].name, nil, b[0].value)
			b = b[1:]
		default:
			f(a[0].name, a[0].value, b[0].value)
			a, b = a[1:], b[1:]
		}
	}
}

func (d *differ) maps(before, after []byte) {
	union(before, after, func(key string, x, y []byte) {
		if bytes.Equal(x, y) {
			return
		}
		d.path = append(d.path, key)
		d.values(x, y)
		d.path = d.path[:len(d.path)-1]
	})
}

func (d *differ) values(x, y []byte) {
	c := PropertyChange{Path: slices.Clone(d.path)}
	if kind := kindOf(x); kind == kindOf(y) {
		switch kind {
		case valueMap:
			d.maps(x, y)
			return
		case valueText:
			if c.Delta = formattedDelta(x, y); len(c.Delta) > 0 { // else it only grows in another way
				d.out = append(d.out, c)
			}
			return
		case valueList:
			if bytes.Equal(appendShown(nil, x, true), appendShown(nil, y, true)) {
				return
			}
			c.Before, c.After = appendNameless(nil, x), appendNameless(nil, y)
			d.out = append(d.out, c)
			return
		}
	}
	if x != nil {
		c.Before = appendNameless(nil, x)
	}
	if y != nil {
		c.After = appendNameless(nil, y)
	}
	if !bytes.Equal(c.Before, c.After) {
		d.out = append(d.out, c)
	}
}

// kindOf is the type of a plain value that is a container, or 0.
func kindOf(raw []byte) uint8 {
	if raw == nil {
		return 0
	}
	return containerKind(raw)
}

// Difference is how two versions of a database differ, by the ids of objects.
type Difference struct {
	Added, Removed []id.ObjectID // that can be seen in only one of them
	Changed        []ObjectChange
}

// ObjectChange is how an object differs that can be seen in both.
type ObjectChange struct {
	Object  id.ObjectID
	Changes []PropertyChange
}

// Add adds an object, by its states as Plain gives them.
func (d *Difference) Add(object id.ObjectID, before, after []byte) {
	switch {
	case before == nil && after == nil, bytes.Equal(before, after):
	case before == nil:
		d.Added = append(d.Added, object)
	case after == nil:
		d.Removed = append(d.Removed, object)
	default:
		if list := DiffPlain(before, after); len(list) > 0 {
			d.Changed = append(d.Changed, ObjectChange{object, list})
		}
	}
}

// Append appends
//
//	[added bin, removed bin, [[object bin16, [change...]]...]]
//	change = [[key str...], before bin, after bin] | [[key str...], [step...]]
//
// added and removed are 16-byte ids. An empty before or after is no value. A step
// is a str to insert, a positive number of code units to retain, or a negative one
// to delete; with marks [step, name, value, ...].
func (d *Difference) Append(b []byte) []byte {
	b = wire.AppendArray(b, 3)
	for _, list := range [][]id.ObjectID{d.Added, d.Removed} {
		ids := make([]byte, 0, len(list)*id.ShortSize)
		for _, v := range list {
			ids = append(ids, v[:]...)
		}
		b = wire.AppendBytes(b, ids)
	}
	b = wire.AppendArray(b, len(d.Changed))
	for _, o := range d.Changed {
		b = wire.AppendBytes(wire.AppendArray(b, 2), o.Object[:])
		b = wire.AppendArray(b, len(o.Changes))
		for _, c := range o.Changes {
			b = c.append(b)
		}
	}
	return b
}

func (c *PropertyChange) append(b []byte) []byte {
	if c.Delta == nil {
		b = AppendKeys(wire.AppendArray(b, 3), c.Path)
		return wire.AppendBytes(wire.AppendBytes(b, c.Before), c.After)
	}
	b = AppendKeys(wire.AppendArray(b, 2), c.Path)
	b = wire.AppendArray(b, len(c.Delta))
	for _, s := range c.Delta {
		if s.Attributes != nil {
			r := wire.NewReader(s.Attributes)
			b = wire.AppendArray(b, 1+r.ArrayLen(len(s.Attributes)))
		}
		if s.Insert != "" {
			b = wire.AppendString(b, s.Insert)
		} else {
			b = wire.AppendInt(b, int64(s.Retain-s.Delete))
		}
		if s.Attributes != nil {
			r := wire.NewReader(s.Attributes)
			r.ArrayLen(len(s.Attributes))
			b = append(b, r.Rest()...)
		}
	}
	return b
}

// AppendKeys appends the keys of a path as an array of str.
func AppendKeys(b []byte, path []string) []byte {
	b = wire.AppendArray(b, len(path))
	for _, k := range path {
		b = wire.AppendString(b, k)
	}
	return b
}
