package client

import (
	"context"
	"sync"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// importRecords marks spaces that are being imported, by key: what is stored of
// them is removed unless the import ends well.
var importRecords = []byte("i/")

// importLock is held by the engine that imports, or removes what is left of
// imports.
const importLock = "import"

// ImportSpace makes a new space, owned by the identity, of an archive. Its
// objects have the ids that they had, so that references stay right. If the
// archive holds the history, its changes are written again, by this device, with
// their times and messages, each feed as one feed, so that what was concurrent
// still is. The space is there when all of it is stored; until then, and after a
// failure, it is not.
//
// Errors: errs.NotInitialized, errs.NoIdentity; errs.InvalidArgument for what is
// no archive, errs.Malformed for one that is cut, altered or holds what no space
// can, errs.VersionUnsupported, errs.TooLarge; those of storage.
func (c *Client) ImportSpace(ctx context.Context, archive []byte) (*Space, error) {
	const op = "client.importSpace"
	s, me, err := c.mustSelf(op)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	rest := s.rest()
	sections, err := readArchive(archive, rest)
	if err != nil {
		return nil, err
	}
	release, err := s.lockImports(ctx, false)
	if err != nil {
		return nil, err
	}
	defer release()
	core, rec, first, err := space.Create(ctx, c.ports.Env, me.forSpace(s.slot))
	if err != nil {
		return nil, err
	}
	im := &importer{s: s, ctx: ctx, rest: rest, core: core, now: c.ports.Env.UnixMilli()}
	var b storage.Batch
	b.Put(importKey(rec.Key), nil)
	if err = s.storage.Store.Apply(ctx, &b, storage.Strict); err == nil {
		err = im.take(sections)
	}
	if err == nil {
		err = im.finish(rec, first)
	}
	if err != nil {
		if failed := s.removeImport(context.WithoutCancel(ctx), rec.Key); failed != nil {
			c.ports.Env.Log.Warn("what is left of an import will be removed at the next start", "err", failed)
		}
		return nil, err
	}
	sp, err := s.addSpace(ctx, core, &snapshot{})
	if err != nil {
		return nil, err
	}
	s.postTabs(tabSpace, rec.Key[:])
	return sp, nil
}

func importKey(key id.SpaceKey) []byte {
	return append(append([]byte(nil), importRecords...), key[:]...)
}

// lockImports waits until nobody else imports in this profile. Where there are
// no locks it fails if it must be sure of that.
func (s *session) lockImports(ctx context.Context, sure bool) (release func(), err error) {
	return s.exclusive(ctx, &s.importing, importLock, sure)
}

// exclusive waits for a lock among the engines of the profile; mu is the same within
// this one. Where there are no locks it fails if it must be sure.
func (s *session) exclusive(ctx context.Context, mu *sync.Mutex, name string, sure bool) (release func(), err error) {
	mu.Lock()
	free, err := s.lockTabs(ctx, name, sure)
	if err != nil {
		mu.Unlock()
		return nil, err
	}
	return func() {
		free()
		mu.Unlock()
	}, nil
}

// lockTabs is exclusive among the tabs of the profile alone.
func (s *session) lockTabs(ctx context.Context, name string, sure bool) (release func(), err error) {
	if s.c.ports.Lock == nil {
		return func() {}, nil
	}
	release, err = s.c.ports.Lock(ctx, name)
	if errs.Is(err, errs.UnsupportedBrowser) && !sure {
		return func() {}, nil
	}
	return release, err
}

// tidyImports removes what imports left that did not come to their end.
func (s *session) tidyImports(ctx context.Context) {
	left, err := s.storage.Store.Scan(ctx, storage.Prefix(importRecords), 0)
	if err != nil || len(left) == 0 {
		return // the next start looks again
	}
	release, err := s.lockImports(ctx, true)
	if err != nil {
		return
	}
	defer release()
	if left, err = s.storage.Store.Scan(ctx, storage.Prefix(importRecords), 0); err != nil {
		return
	}
	for _, e := range left {
		key, ok := id.From[id.SpaceKey](e.Key[len(importRecords):])
		if !ok {
			continue
		}
		if err := s.removeImport(ctx, key); err != nil && ctx.Err() == nil {
			s.c.ports.Env.Log.Warn("what is left of an import could not be removed", "space", id.Short(key), "err", err)
		}
	}
}

// removeImport removes all that is stored of a space that is being imported.
func (s *session) removeImport(ctx context.Context, key id.SpaceKey) error {
	headers, err := s.storage.Store.Scan(ctx, storage.Prefix(feed.HeaderPrefix(key)), 0)
	if err != nil {
		return err
	}
	var b storage.Batch
	for _, h := range headers {
		if fid, ok := feed.ParseHeaderKey(h.Key); ok {
			b.DeleteRange(feed.BlockRange(fid, 1, 0))
			b.DeleteRange(feed.RepackRange(fid, 1))
		}
		b.Delete(h.Key)
	}
	b.Delete(importKey(key))
	return s.storage.Store.Apply(ctx, &b, storage.Strict)
}
