package client

import (
	"context"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
)

// BlameRun is characters of a text that stand together and were written together.
type BlameRun struct {
	Len    int32 // in UTF-16 code units
	Time   int64 // when: milliseconds since 1970, by the author's clock
	Author space.Author
	Block  feed.Ref // in which they came; Seq 0 if they are not stored yet
}

// Blame gives who wrote each part of a text, in order, and when. It costs the
// history of the text, and reads the blocks that wrote what is left of it.
//
// Errors: errs.SpaceClosed, errs.NotFound for a number that is of no text, those
// of Flush and of the storage.
func (sp *Space) Blame(ctx context.Context, text objectdb.Text) (out []BlameRun, err error) {
	err = sp.timeline(ctx, "space.blame", func(t *timeline) error {
		if _, _, err := t.now(); err != nil {
			return err
		}
		var runs []objectdb.TextRun
		err := t.with(func(core *space.Space) error {
			runs, err = core.DB().TextRuns(text)
			return err
		})
		if err != nil {
			return err
		}
		b := blamer{timeline: t, text: text, blocks: map[crdt.Node]*writtenRuns{}}
		if err := b.read(runs); err != nil {
			return err
		}
		for _, run := range runs {
			b.add(run)
		}
		out = b.out
		return nil
	})
	return out, err
}

type blamer struct {
	*timeline
	text   objectdb.Text
	blocks map[crdt.Node]*writtenRuns
	out    []BlameRun
}

// writtenRuns is what a block does to the text: so many elements at each time.
type writtenRuns struct {
	as     BlameRun
	counts []int32
	times  []int64
}

// read looks at the blocks that wrote the runs.
func (b *blamer) read(runs []objectdb.TextRun) error {
	// As it stays for what was written since and has no block yet.
	unwritten := BlameRun{Time: b.sp.s.c.ports.Env.UnixMilli()}
	err := b.with(func(core *space.Space) error {
		self := core.Self()
		unwritten.Author = space.Author{Device: self.Device, Identity: self.Identity, Name: self.Name}
		return nil
	})
	if err != nil {
		return err
	}
	var nodes []crdt.Node
	for _, run := range runs {
		if b.blocks[run.Node] == nil {
			b.blocks[run.Node] = &writtenRuns{as: unwritten}
			nodes = append(nodes, run.Node)
		}
	}
	sort.Slice(nodes, func(i, j int) bool { return nodes[i] < nodes[j] })
	for len(nodes) > 0 {
		n := min(len(nodes), batchNodes)
		if err := b.timeline.read(nodes[:n], b.take); err != nil {
			return err
		}
		nodes = nodes[n:]
	}
	return nil
}

func (b *blamer) take(block *pastBlock) error {
	return b.with(func(core *space.Space) (err error) {
		w := b.blocks[block.node]
		w.as.Author, _ = core.Author(block.Ref.Feed)
		w.as.Block = block.Ref
		w.counts, w.times, err = core.DB().TextTimes(b.text, block.node, block.Payload)
		return err
	})
}

// add adds a run, parted by when it was written.
func (b *blamer) add(run objectdb.TextRun) {
	w := b.blocks[run.Node]
	first := int32(0)
	for i, n := range w.counts {
		from, end := max(run.First, first), min(run.First+run.Len, first+n)
		if from < end {
			part := w.as
			part.Time, part.Len = w.times[i], end-from
			b.append(part)
		}
		first += n
	}
	if rest := run.First + run.Len - max(first, run.First); rest > 0 {
		part := w.as
		part.Len = rest
		b.append(part)
	}
}

// append joins what was written together.
func (b *blamer) append(r BlameRun) {
	if n := len(b.out); n > 0 {
		last := &b.out[n-1]
		if last.Block == r.Block && last.Time == r.Time && last.Author == r.Author {
			last.Len += r.Len
			return
		}
	}
	b.out = append(b.out, r)
}
