package client

import (
	"context"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
)

// BlameRun is characters of a text that stand together and came in one block.
type BlameRun struct {
	Len    int32 // in UTF-16 code units
	Time   int64 // of the block's first change: milliseconds since 1970, by the author's clock
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
		core, err := t.lock()
		if err != nil {
			return err
		}
		runs, err := core.DB().TextRuns(text)
		t.unlock()
		if err != nil {
			return err
		}
		b := blamer{timeline: t, blocks: map[crdt.Node]*BlameRun{}}
		if err := b.read(runs); err != nil {
			return err
		}
		for _, run := range runs {
			part := *b.blocks[run.Node]
			part.Len = run.Len
			out = append(out, part)
		}
		return nil
	})
	return out, err
}

type blamer struct {
	*timeline
	blocks map[crdt.Node]*BlameRun
}

// read looks at the blocks that wrote the runs.
func (b *blamer) read(runs []objectdb.TextRun) error {
	core, err := b.lock()
	if err != nil {
		return err
	}
	self := core.Self()
	b.unlock()
	var nodes []crdt.Node
	for _, run := range runs {
		if b.blocks[run.Node] == nil {
			// As it stays for what was written since and has no block yet.
			b.blocks[run.Node] = &BlameRun{
				Time:   b.sp.s.c.ports.Env.UnixMilli(),
				Author: space.Author{Device: self.Device, Identity: self.Identity, Name: self.Name},
			}
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

func (b *blamer) take(block *pastBlock) (err error) {
	run := b.blocks[block.node]
	run.Block = block.Ref
	if run.Time, err = objectdb.PayloadTime(block.Payload); err != nil {
		return err
	}
	core, err := b.lock()
	if err != nil {
		return err
	}
	run.Author, _ = core.Author(block.Ref.Feed)
	b.unlock()
	return nil
}
