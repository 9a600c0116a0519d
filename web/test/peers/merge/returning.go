//go:build js

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// absence is what a peer comes back from: a space of so many objects, each written
// history times, of which the others made so many changes while it was away and it
// edited a few itself.
type absence struct{ Objects, History, Away, Touched int }

// atOnce is how many objects a transaction makes.
const atOnce = 100

// build makes an absence. What it gives has the peer that was away take what the others
// wrote: how many blocks that were, and the longest task.
func (a absence) build() func() (blocks string, longest time.Duration) {
	here, away := newPerson(0, 2), newPerson(1, 2)
	for from := 0; from < a.Objects; from += atOnce {
		var ops []byte
		for i := from; i < min(from+atOnce, a.Objects); i++ {
			ops = append(ops, create(i)...)
		}
		check(here.db.Local(ops, 0))
	}
	draw := rand.New(rand.NewPCG(1, 2))
	for range (a.History - 1) * a.Objects {
		here.change(draw.IntN(a.Objects), draw.Int64())
	}
	here.write()
	away.take(here, 0, len(here.opened))
	for n := range a.Touched {
		away.change(n*(a.Objects/a.Touched), -1)
	}
	away.write()
	known := len(here.opened)
	for range a.Away {
		here.change(draw.IntN(a.Objects), draw.Int64())
	}
	here.write()
	return func() (string, time.Duration) {
		read := &reader{from: here, at: sealedIn(here, known), prev: here.opened[known-1].Ref}
		t := begin()
		for range here.opened[known:] {
			away.merge(read.next(), t)
		}
		t.over()
		return fmt.Sprint(len(here.opened) - known), t.longest
	}
}

// sealedIn is how many sealed blocks the first n opened ones are: a change may span several.
func sealedIn(p *person, n int) int { return int(p.opened[n-1].Ref.Seq) }

// change sets the rank of an object, as a transaction of its own.
func (p *person) change(n int, rank int64) {
	op := wire.AppendUint(wire.AppendArray(nil, 4), 2)
	op = wire.AppendBytes(op, objectNumber(n))
	op = wire.AppendString(wire.AppendArray(op, 1), "rank")
	check(p.db.Local(wire.AppendInt(op, rank), 0))
}

// create makes an object of about 300 bytes.
func create(n int) []byte {
	op := wire.AppendUint(wire.AppendArray(nil, 3), 1)
	op = wire.AppendBytes(op, objectNumber(n))
	op = wire.AppendUint(wire.AppendArray(op, 1+2*4), 4)
	op = wire.AppendString(wire.AppendString(op, "kind"), "task")
	op = wire.AppendString(wire.AppendString(op, "note"), strings.Repeat("a note ", 32))
	op = wire.AppendInt(wire.AppendString(op, "rank"), int64(n))
	return wire.AppendString(wire.AppendString(op, "title"), fmt.Sprintf("task %d", n))
}

func objectNumber(n int) []byte {
	v := id.ObjectID{2}
	binary.BigEndian.PutUint64(v[8:], uint64(n))
	return v[:]
}
