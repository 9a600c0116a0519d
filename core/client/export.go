package client

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/objectdb"
)

// ExportOptions are those of Space.Export. The zero value is the default.
type ExportOptions struct {
	// History adds every change that the state was made of, with its time and
	// who wrote it.
	History bool
}

// Export gives an archive of the space (archive.go says of what form): all
// objects that are not deleted, under their ids, with everything in them, and
// the properties of the space. Of a key that was set concurrently it has the
// winner. It is of one moment, although edits go on meanwhile. Without history
// it waits for nothing but its turn; with it, for the storing of all edits.
//
// Errors: errs.SpaceClosed, also if the space is closed meanwhile,
// errs.TooLarge over 1 GiB of content, ctx's, and, with history, those of Flush
// and errs.StorageCorrupt if a block is not to be read.
func (sp *Space) Export(ctx context.Context, o ExportOptions) ([]byte, error) {
	rest := sp.s.rest()
	x := &exporter{sp: sp, ctx: ctx, rest: rest, packer: packer{rest: rest}}
	if err := x.objects(o.History); err != nil {
		return nil, err
	}
	a := about{created: uint64(max(0, sp.s.c.ports.Env.UnixMilli())), history: o.History, objects: x.count}
	var past [][]byte
	var err error
	if o.History {
		if past, a.changes, err = x.pastSections(); err != nil {
			return nil, err
		}
	}
	first, err := x.packer.section(sectionAbout, a.encode())
	if err != nil {
		return nil, err
	}
	sections := [][]byte{first}
	for _, chunk := range x.chunks {
		sections = append(sections, chunk...)
	}
	return sealArchive(append(sections, past...), rest), nil
}

// exporter is an export under way.
type exporter struct {
	sp     *Space
	ctx    context.Context
	db     *objectdb.DB
	export *objectdb.Export
	rest   func()
	packer packer
	chunks [][][]byte // the sections of each chunk
	sizes  []uint64   // the content of each
	past   *objectdb.History
	count  uint64
}

// with runs f on the database, which must be the one that the export began with.
func (x *exporter) with(f func() error) error {
	const op = "space.export"
	if err := x.ctx.Err(); err != nil {
		return errs.New(op, errs.Cancelled, "the export was given up: %w", err)
	}
	return x.sp.Objects(op, func(db *objectdb.DB) error {
		if x.db == nil {
			x.db = db
		}
		if x.db != db {
			return x.sp.closedError(op)
		}
		return f()
	})
}

// maxRounds is how often an export looks for what changed meanwhile before it
// takes all that is left at once.
const maxRounds = 16

// objects makes the chunks of the state, and marks the history of that moment.
func (x *exporter) objects(history bool) error {
	err := x.with(func() error {
		x.export = x.db.BeginExport()
		return nil
	})
	if err != nil {
		return err
	}
	defer func() {
		_ = x.sp.Objects("space.export", func(*objectdb.DB) error { // a closed one tells of no changes
			x.export.End()
			return nil
		})
	}()
	for more := true; err == nil && more; x.rest() {
		err = x.with(func() error {
			more = x.export.Scan()
			return nil
		})
	}
	for more := true; err == nil && more; {
		var ops []byte
		err = x.with(func() error {
			_, ops, more = x.export.Next(sectionSize)
			return nil
		})
		if err == nil && more {
			err = x.put(len(x.chunks), ops)
		}
	}
	done := false
	for round := 0; err == nil && !done; round++ {
		done, err = x.catchUp(round >= maxRounds, history)
	}
	return err
}

// catchUp makes the chunks anew of which something changed. It is done when it
// took all that were left in one go: with one at most, or if it must.
func (x *exporter) catchUp(must, history bool) (done bool, err error) {
	var stale []int
	late := map[int][]byte{}
	err = x.with(func() error {
		stale = x.export.Stale()
		if done = len(stale) <= 1 || must; !done {
			return nil
		}
		for _, chunk := range stale {
			late[chunk] = x.export.Again(chunk)
		}
		x.count = uint64(x.db.ObjectCount())
		if history {
			x.past = x.db.MarkHistory()
		}
		return nil
	})
	for _, chunk := range stale {
		ops := late[chunk]
		if err == nil && !done {
			err = x.with(func() error {
				ops = x.export.Again(chunk)
				return nil
			})
		}
		if err == nil {
			err = x.put(chunk, ops)
		}
	}
	return done, err
}

// put makes the sections of a chunk.
func (x *exporter) put(chunk int, ops []byte) error {
	for len(x.chunks) <= chunk {
		x.chunks, x.sizes = append(x.chunks, nil), append(x.sizes, 0)
	}
	x.packer.total += uint64(len(ops)) - x.sizes[chunk]
	x.sizes[chunk] = uint64(len(ops))
	x.chunks[chunk] = nil
	for len(ops) > 0 {
		n := 0
		for n < len(ops) && n < sectionSize {
			_, op, err := objectdb.NextState(ops[n:])
			if err != nil {
				return errs.Wrap("space.export", errs.Internal, err)
			}
			n += len(op)
		}
		s, err := x.section(sectionObjects, ops[:n])
		if err != nil {
			return err
		}
		x.chunks[chunk] = append(x.chunks[chunk], s)
		ops = ops[n:]
	}
	return nil
}

// section makes a section unless the archive is too large.
func (x *exporter) section(kind uint64, content []byte) ([]byte, error) {
	if x.packer.total > maxArchive {
		return nil, errs.New("space.export", errs.TooLarge, "the space holds more than %d bytes, which is what an archive takes", maxArchive)
	}
	return x.packer.section(kind, content)
}
