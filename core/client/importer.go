package client

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

const (
	// importGroup is about how many bytes of ops are one transaction.
	importGroup = 16 << 10
	// importBuild is after how many bytes of ops blocks are made of them.
	importBuild = 32 << 10
	// importBatch is about how many bytes of blocks are stored at a time.
	importBatch = 512 << 10
)

// importer is an import under way.
type importer struct {
	s    *session
	ctx  context.Context
	rest func()
	core *space.Space
	now  int64

	unbuilt int
	intakes []*space.Intake // own blocks that are not stored yet
	batch   storage.Batch

	replay  *space.Replay // nil without history
	changes int
	seen    map[id.ObjectID]struct{}
	object  id.ObjectID // whose state is gathered
	state   []byte
}

// take makes the space what the sections say.
func (im *importer) take(sections []section) error {
	content, err := sections[0].content(im.rest)
	if err != nil {
		return err
	}
	a, err := decodeAbout(content)
	if err != nil {
		return err
	}
	if a.history {
		if err := im.past(sections, a); err != nil {
			return err
		}
		im.seen = map[id.ObjectID]struct{}{}
	}
	if err := im.core.EnsureWriter(); err != nil {
		return err
	}
	for _, s := range sections {
		if !a.history && s.kind > sectionObjects {
			return damaged("it has a history although it says that it has none")
		}
		if s.kind != sectionObjects {
			continue
		}
		ops, err := s.content(im.rest)
		if err == nil {
			err = im.objects(ops)
		}
		if err != nil {
			return err
		}
	}
	if a.history {
		if err := im.compare(); err != nil {
			return err
		}
	}
	if n := im.core.DB().ObjectCount(); uint64(n) != a.objects {
		return damaged("it says that it has %d objects and has %d", a.objects, n)
	}
	return im.build()
}

// past writes the changes of the history again.
func (im *importer) past(sections []section, a about) error {
	for _, s := range sections {
		if s.kind < sectionFeeds {
			continue
		}
		content, err := s.content(im.rest)
		if err != nil {
			return err
		}
		if s.kind == sectionFeeds {
			err = im.begin(content)
		} else {
			err = im.pastChanges(content)
		}
		if err != nil {
			return err
		}
	}
	if uint64(im.changes) != a.changes {
		return damaged("it says that it has %d changes and has %d", a.changes, im.changes)
	}
	return nil
}

func (im *importer) begin(content []byte) error {
	authors, err := decodeAuthors(content)
	if err != nil {
		return err
	}
	feeds := make([]id.FeedID, len(authors))
	for i, a := range authors {
		feeds[i] = a.feed
	}
	im.replay, err = im.core.BeginReplay(im.ctx, feeds)
	return err
}

func (im *importer) pastChanges(content []byte) error {
	if im.replay == nil {
		return damaged("it has changes of no feeds")
	}
	r := wire.NewReader(content)
	for r.Err() == nil && r.Offset() < len(content) {
		c := readChange(r, im.changes)
		if r.Err() != nil {
			break
		}
		in, err := im.replay.Add(im.ctx, c.line, c.parents, c.ops, c.payload, c.payload == nil)
		if err != nil {
			return impossible(err)
		}
		in.AddTo(&im.batch)
		im.changes++
		if err := im.step(); err != nil {
			return err
		}
	}
	return archiveError(r.Done("client.importSpace"))
}

// step stores what has gathered, if it is enough, and lets other work through.
func (im *importer) step() error {
	im.rest()
	if err := im.s.ctx.Err(); err != nil {
		return errs.New("client.importSpace", errs.Closed, "the client was destroyed: %w", err)
	}
	if err := im.ctx.Err(); err != nil {
		return errs.New("client.importSpace", errs.Cancelled, "the import was given up: %w", err)
	}
	if im.batch.Size() < importBatch {
		return nil
	}
	return im.store(storage.Relaxed)
}

func (im *importer) store(d storage.Durability) error {
	if err := im.s.storage.Store.Apply(im.ctx, &im.batch, d); err != nil {
		return err
	}
	im.batch.Reset()
	for _, in := range im.intakes {
		if err := im.core.Stored(in); err != nil {
			return err
		}
	}
	im.intakes = nil
	return nil
}

// objects takes the ops of one section.
func (im *importer) objects(ops []byte) error {
	group := 0 // bytes of ops in front of rest that are not run yet
	for rest := ops; len(rest) > 0; {
		object, op, err := objectdb.NextState(rest)
		if err != nil {
			return impossible(err)
		}
		rest = rest[len(op):]
		if im.seen != nil {
			if err := im.gather(object, op); err != nil {
				return err
			}
			continue
		}
		if group += len(op); group >= importGroup || len(rest) == 0 {
			if err := im.run(ops[len(ops)-len(rest)-group : len(ops)-len(rest)]); err != nil {
				return err
			}
			group = 0
		}
	}
	return nil
}

// run makes ops a transaction.
func (im *importer) run(ops []byte) error {
	if err := im.core.DB().Local(ops, im.now); err != nil {
		return impossible(err)
	}
	return im.made(len(ops))
}

// made notes that there is so much more to make blocks of.
func (im *importer) made(n int) error {
	if im.unbuilt += n; im.unbuilt >= importBuild {
		if err := im.build(); err != nil {
			return err
		}
	}
	return im.step()
}

// build makes blocks of what was done since the last.
func (im *importer) build() error {
	im.unbuilt = 0
	in, err := im.core.Build()
	if err != nil || in == nil {
		return err
	}
	if err := im.core.Finish(im.ctx, in, func(do func()) { do() }); err != nil {
		return err
	}
	in.AddTo(&im.batch)
	im.intakes = append(im.intakes, in)
	return nil
}

// gather puts the ops of one object together and compares its state with that.
func (im *importer) gather(object id.ObjectID, op []byte) error {
	if object != im.object {
		if err := im.restate(); err != nil {
			return err
		}
		im.object = object
		if _, again := im.seen[object]; again {
			return damaged("it has object %s twice", object)
		}
		im.seen[object] = struct{}{}
	}
	im.state = append(im.state, op...)
	return nil
}

// restate makes the object that was gathered what the archive says: the replay
// of a history in which a feed was forked may have decided ties otherwise.
func (im *importer) restate() error {
	state := im.state
	im.state = im.state[:0]
	if id.IsZero(im.object) {
		return nil
	}
	changed, err := im.core.DB().Restate(im.object, state, im.now)
	if err != nil {
		return impossible(err)
	}
	if changed {
		return im.made(len(state))
	}
	return im.step()
}

// compare ends the comparison of the replayed history with the state.
func (im *importer) compare() error {
	if err := im.restate(); err != nil {
		return err
	}
	im.state = nil
	has := func(v id.ObjectID) bool {
		_, ok := im.seen[v]
		return ok
	}
	gone := im.core.DB().Others(has)
	if !has(objectdb.PropertiesID) {
		gone = append(gone, objectdb.PropertiesID)
	}
	for _, v := range gone {
		changed, err := im.core.DB().Restate(v, nil, im.now)
		if err != nil {
			return impossible(err)
		}
		if changed {
			if err := im.made(1); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish stores the rest, and with it what makes the space one of the profile.
func (im *importer) finish(rec space.Record, first *space.Intake) error {
	im.core.DB().ClearUndo() // whoever opens the space has not made these edits
	for im.core.DB().Changes(importGroup) != nil {
		im.rest() // nobody has seen the space yet, to whom changes could be told
	}
	im.s.keyring.Put(&im.batch, spaceRecords+rec.Key.String(), rec.Encode())
	first.AddTo(&im.batch)
	im.batch.Delete(importKey(rec.Key))
	im.intakes = append([]*space.Intake{first}, im.intakes...)
	return im.store(storage.Strict)
}

// impossible names what an archive holds that no space can.
func impossible(err error) error {
	switch kind := errs.KindOf(err); kind {
	case errs.InvalidArgument, errs.NotFound, errs.MissingDependency, errs.CorruptBlock:
		return errs.New("client.importSpace", errs.Malformed, "the archive holds what no space can: %w", err)
	default:
		return errs.New("client.importSpace", kind, "the archive cannot be taken in: %w", err)
	}
}
