//go:build js

// Command merge is Echospace's part in the benchmark of merging texts. A page
// has one client of its own, and no way to be several people; so this program
// is them: databases that write signed and encrypted blocks, which another
// checks, opens and applies, with the packages that the page's module is made of.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"syscall/js"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

// trace is what people typed: changes in causal order, each after others.
type trace struct {
	Start   string
	Agents  int
	Burst   int // after how many changes of one agent a block is made at the latest
	Changes []struct {
		Agent   int
		Parents []int
		Edits   [][3]any // position, deleted, inserted
	}
}

// object and property are where the text is.
var object = id.ObjectID{1}

const property = "text"

// person is one database with what it has written.
type person struct {
	env    env.Env
	db     *objectdb.DB
	signer *keys.SigningKey
	header *feed.SignedHeader
	head   feed.Ref
	sealed [][]byte
	opened []objectdb.Block
	taken  []int // of each other person how many blocks were taken
	open   int   // changes since the last block
}

// one key for all: who may read what is not measured here.
var key = keys.Secret{1}

func newPerson(n, all int) *person {
	p := &person{signer: keys.NewSigningKey([32]byte{byte(n + 1)}), taken: make([]int, all)}
	p.env = env.Env{
		Clock: env.ClockFunc(time.Now),
		Rand:  rand.NewChaCha8([32]byte{byte(n + 1)}),
		Log:   slog.New(slog.DiscardHandler),
	}
	space := keys.NewSigningKey([32]byte{200}).Public()
	header := feed.Header{Space: space, Device: p.signer.Public(), Incarnation: [16]byte{byte(n)}, Kind: feed.Data}
	p.header = must(feed.NewHeader(context.Background(), header, p.signer))
	p.head = feed.Ref{Feed: p.header.ID()}
	p.db = objectdb.New(objectdb.Options{Source: uint64(n)})
	p.db.SetWriter(p.head.Feed, p.head)
	return p
}

// begin makes the text.
func (p *person) begin(content string) {
	op := wire.AppendUint(wire.AppendArray(nil, 3), 1)
	op = wire.AppendBytes(op, object[:])
	op = wire.AppendUint(wire.AppendArray(op, 3), 4)
	op = wire.AppendString(op, property)
	op = wire.AppendString(wire.AppendUint(wire.AppendArray(op, 2), 7), content)
	check(p.db.Local(op, 0))
	p.write()
}

// write seals what was edited into blocks.
func (p *person) write() {
	p.open = 0
	for {
		burst, ok := p.db.Cut()
		if !ok {
			return
		}
		h := feed.BlockHeader{Feed: p.head.Feed, Seq: p.head.Seq + 1, Prev: p.head.Hash, Epoch: key.ID(), Deltas: burst.Deltas, Ops: burst.Ops}
		blocks := must(feed.BuildParts(context.Background(), p.env, h, key, burst.Payload, p.signer))
		for _, b := range blocks {
			p.sealed = append(p.sealed, b.Encode())
		}
		last := blocks[len(blocks)-1]
		p.opened = append(p.opened, objectdb.Block{Ref: last.Ref(), Prev: blocks[0].Prev, Deltas: burst.Deltas, Ops: burst.Ops, Payload: burst.Payload})
		p.head = last.Ref()
		p.db.Written(p.head, burst)
	}
}

// take applies the first n blocks of another.
func (p *person) take(from *person, index, n int) {
	for ; p.taken[index] < n; p.taken[index]++ {
		check(p.db.Apply(from.opened[p.taken[index]]))
	}
}

// world are all people of a trace, and in which order their blocks were made.
type world struct {
	people []*person
	order  []place
	noted  []int // of each person how many blocks are in order
}

type place struct{ person, block int }

// build has people type a trace, each knowing of the others what it says.
func build(t trace) *world {
	w := &world{noted: make([]int, t.Agents)}
	for n := range t.Agents {
		w.people = append(w.people, newPerson(n, t.Agents))
	}
	w.people[0].begin(t.Start)
	w.note(0)
	shown := make([]bool, len(t.Changes)) // somebody else follows it
	for _, c := range t.Changes {
		for _, p := range c.Parents {
			shown[p] = shown[p] || t.Changes[p].Agent != c.Agent
		}
	}
	written := make([]int, len(t.Changes)) // how many blocks its agent has with it
	for i, c := range t.Changes {
		me := w.people[c.Agent]
		if c.Agent != 0 {
			me.take(w.people[0], 0, 1)
		}
		for _, p := range c.Parents {
			if other := t.Changes[p].Agent; other != c.Agent {
				me.write()
				w.note(c.Agent)
				me.take(w.people[other], other, written[p])
			}
		}
		me.edit(c.Edits)
		if me.open++; shown[i] || me.open >= t.Burst {
			me.write()
			w.note(c.Agent)
		}
		written[i] = len(me.opened)
	}
	for n, p := range w.people {
		p.write()
		w.note(n)
	}
	return w
}

// note remembers the new blocks of a person.
func (w *world) note(n int) {
	for ; w.noted[n] < len(w.people[n].opened); w.noted[n]++ {
		w.order = append(w.order, place{n, w.noted[n]})
	}
}

func (p *person) edit(edits [][3]any) {
	x := must(p.db.FindText(object, objectdb.Key(property)))
	for _, e := range edits {
		check(p.db.EditText(x, int(e[0].(float64)), int(e[1].(float64)), []byte(e[2].(string)), 0))
	}
}

// maxRun is how many bytes of blocks a peer sends, and checks by one signature, at
// once; as in core/syncer.
const maxRun = 60 << 10

// fresh takes all blocks into an empty database: checks, opens, applies.
func (w *world) fresh() (content string, longest time.Duration) {
	p := newPerson(len(w.people), len(w.people))
	reading := make([]*reader, len(w.people))
	for n, from := range w.people {
		reading[n] = &reader{from: from, prev: feed.Ref{Feed: from.header.ID()}}
	}
	t := begin()
	for _, at := range w.order {
		p.merge(reading[at.person].next(), t)
	}
	t.over()
	return p.text(), t.longest
}

// slice is how long a client works before it lets the page go on.
const slice = 8 * time.Millisecond

// tasks are the slices of a client's work.
type tasks struct {
	begun   time.Time
	longest time.Duration
}

func begin() *tasks { return &tasks{begun: time.Now()} }

// over reports whether a slice is over.
func (t *tasks) over() bool {
	took := time.Since(t.begun)
	t.longest = max(t.longest, took)
	return took > slice
}

// merge takes a block as a client does.
func (p *person) merge(b objectdb.Block, t *tasks) {
	if t.over() {
		t.begun = time.Now()
	}
	for {
		done, err := p.db.ApplySome(b, t.over)
		check(err)
		if done {
			return
		}
		t.begun = time.Now()
	}
}

// join takes the blocks of person 1 into the database of person 0.
func (w *world) join() (content string, longest time.Duration) {
	me, from := w.people[0], w.people[1]
	read := &reader{from: from, prev: feed.Ref{Feed: from.header.ID()}}
	t := begin()
	for range from.opened {
		me.merge(read.next(), t)
	}
	t.over()
	return me.text(), t.longest
}

func (p *person) text() string {
	x := must(p.db.FindText(object, objectdb.Key(property)))
	return string(must(p.db.AppendText(nil, x, 0, math.MaxInt32)))
}

// reader gives what a person wrote, checked and opened.
type reader struct {
	from    *person
	at      int
	prev    feed.Ref
	checked []*feed.Block
}

func (r *reader) next() objectdb.Block {
	if len(r.checked) == 0 {
		for size := 0; size < maxRun && r.at < len(r.from.sealed); r.at++ {
			size += len(r.from.sealed[r.at])
			r.checked = append(r.checked, must(feed.DecodeBlock(r.from.sealed[r.at])))
		}
		check(feed.VerifyRun(r.from.header, r.prev, r.checked))
		r.prev = r.checked[len(r.checked)-1].Ref()
	}
	n := must(feed.Group(r.checked))
	first, last := r.checked[0], r.checked[n-1]
	payload := must(feed.OpenParts(r.checked[:n], key))
	r.checked = r.checked[n:]
	return objectdb.Block{Ref: last.Ref(), Prev: first.Prev, Deltas: first.Deltas, Ops: last.Ops, Payload: payload}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

// answer is what a function of the page gets: the text, or why there is none.
func answer(f func() (string, time.Duration)) (out any) {
	defer func() {
		if p := recover(); p != nil {
			out = map[string]any{"error": fmt.Sprint(p)}
		}
	}()
	content, longest := f()
	return map[string]any{"content": content, "longest": float64(longest.Microseconds()) / 1000}
}

func main() {
	var w *world
	var comeBack func() (string, time.Duration)
	function := func(f func(args []js.Value) (string, time.Duration)) js.Func {
		return js.FuncOf(func(_ js.Value, args []js.Value) any {
			return answer(func() (string, time.Duration) { return f(args) })
		})
	}
	js.Global().Set("echospaceMerge", map[string]any{
		"build": function(func(args []js.Value) (string, time.Duration) {
			var t trace
			check(json.Unmarshal([]byte(args[0].String()), &t))
			w = build(t)
			return "", 0
		}),
		"fresh": function(func([]js.Value) (string, time.Duration) { return w.fresh() }),
		"join":  function(func([]js.Value) (string, time.Duration) { return w.join() }),
		"leave": function(func(args []js.Value) (string, time.Duration) {
			var a absence
			check(json.Unmarshal([]byte(args[0].String()), &a))
			comeBack = a.build()
			return "", 0
		}),
		"comeBack": function(func([]js.Value) (string, time.Duration) { return comeBack() }),
	})
	select {}
}
