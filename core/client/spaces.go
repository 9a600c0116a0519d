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

// CreateSpace founds a space owned by the identity. It resolves when the space
// is stored, open, and can be invited to.
func (c *Client) CreateSpace(ctx context.Context) (*Space, error) {
	const op = "client.createSpace"
	s, me, err := c.mustSelf(op)
	if err != nil {
		return nil, err
	}
	core, rec, first, err := space.Create(ctx, c.ports.Env, me.forSpace(s.slot))
	if err != nil {
		return nil, err
	}
	var b storage.Batch
	s.keyring.Put(&b, spaceRecords+rec.Key.String(), rec.Encode())
	first.AddTo(&b)
	if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
		return nil, err
	}
	if err := core.Stored(first); err != nil {
		return nil, err
	}
	if err := core.EnsureWriter(); err != nil {
		return nil, err
	}
	sp, err := s.addSpace(ctx, core, &snapshot{})
	if err != nil {
		return nil, err
	}
	s.postTabs(tabSpace, rec.Key[:])
	return sp, nil
}

// adopt stores, in one batch, what admits this device to a space, and opens it.
// Of a space that was here before it says so and changes nothing, unless the HALO says
// that it was left, or fresh that the admission is a new one: then the member had been
// removed, maybe without having heard of it, and goes on with what it had.
func (s *session) adopt(ctx context.Context, a space.Admission, fresh bool) (known bool, err error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	release, err := s.lockTabs(ctx, spaceRecords+a.Key.String(), false) // one may be removing it
	if err != nil {
		return false, err
	}
	defer release()
	halo := s.keeper()
	entry := halo.entry(a.Key)
	entry.ended = max(entry.ended, s.endedHere(a.Key))
	if stored, err := s.storedRecord(ctx, a.Key); err == nil {
		entry.rec.Joined = max(entry.rec.Joined, stored.Joined)
	}
	before := s.listed(a.Key)
	if before != nil {
		was := before.joined()
		known = was >= entry.ended // else it was left in another tab or device, and is about to go
		if known && !fresh {
			return true, nil
		}
		entry.rec.Joined = max(entry.rec.Joined, was)
		if err := before.Flush(ctx, FlushStore); err != nil {
			s.c.ports.Env.Log.Warn("edits were not stored before the space is joined again", "space", id.Short(a.Key), "err", err)
		}
		before.shut(before.closedError("space"))
	}
	a.Joined = entry.after(s.c.ports.Env.UnixMilli())
	me, err := s.identity("client.acceptInvitation")
	if err != nil {
		return false, err
	}
	core, stored, err := s.readSpace(ctx, me, a.Record)
	if err != nil {
		return false, err
	}
	// The HALO comes first: it may say that the space was left, and other tabs hear of
	// both in this order.
	if err := halo.note(ctx, a.Record); err != nil {
		return false, err
	}
	var b storage.Batch
	s.putRecord(&b, a.Record)
	for _, in := range core.TakeControls(a.Controls) {
		in.AddTo(&b)
	}
	if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
		return false, err
	}
	if before != nil {
		before.replace(core, stored)
		err = before.start(ctx)
	} else {
		_, err = s.addSpace(ctx, core, stored)
	}
	if err != nil {
		return false, err
	}
	s.postTabs(tabSpace, a.Key[:])
	return known, nil
}

// loadSpaces opens every space of the keyring.
func (s *session) loadSpaces(ctx context.Context) error {
	records, err := s.keyring.List(ctx, spaceRecords)
	if err != nil {
		return err
	}
	joins, err := s.keyring.List(ctx, joinRecords)
	if err != nil {
		return err
	}
	for name, b := range records {
		rec, err := space.DecodeRecord(b)
		clear(b)
		if err == nil {
			if b, known := joins[joinRecords+rec.Key.String()]; known {
				err = readJoined(&rec, b)
			}
		}
		if err != nil {
			return errs.New("client.open", errs.StorageCorrupt, "the record %s of the keyring does not read: %w", name, err)
		}
		if _, err := s.loadSpace(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// loadSpace reads a space's feeds from storage and opens it.
func (s *session) loadSpace(ctx context.Context, rec space.Record) (*Space, error) {
	me, err := s.identity("client.open")
	if err != nil {
		return nil, err
	}
	core, known, err := s.readSpace(ctx, me, rec)
	if err != nil {
		return nil, err
	}
	return s.addSpace(ctx, core, known)
}

// readSpace makes a Space of what is stored: of its snapshot and what came after
// it, or, if there is none that fits, of its feeds.
func (s *session) readSpace(ctx context.Context, me *self, rec space.Record) (*space.Space, *snapshot, error) {
	core, known, err := s.restoreSpace(ctx, me, rec)
	if err != nil {
		return nil, nil, err
	}
	if core != nil {
		fits, err := s.readFeeds(ctx, core, true)
		if err != nil {
			return nil, nil, err
		}
		if fits {
			s.c.ports.Env.Log.Debug("a space is made of its snapshot", "space", id.Short(rec.Key), "blocks behind it", core.Tail().Blocks)
			if err := s.settleSpace(ctx, core); err != nil || !core.Unsound() {
				return core, known, err
			}
		}
		s.c.ports.Env.Log.Warn("a snapshot does not fit what is stored; the feeds are read", "space", id.Short(rec.Key))
	}
	core = space.Open(s.c.ports.Env, me.forSpace(s.slot), rec)
	if _, err := s.readFeeds(ctx, core, false); err != nil {
		return nil, nil, err
	}
	return core, &snapshot{}, s.settleSpace(ctx, core)
}

// settleSpace applies what was read, and takes up the undo stack.
func (s *session) settleSpace(ctx context.Context, core *space.Space) error {
	for done := false; !done; s.yield() {
		_, done = core.Settle(s.sliced())
	}
	core.Ready()
	s.yield()
	if err := core.EnsureWriter(); err != nil {
		return err
	}
	return s.readUndo(ctx, core)
}

// readFeeds loads the feeds of a space, from where its snapshot ends. Damaged
// records are set aside, but with a snapshot it is that which does not fit then.
func (s *session) readFeeds(ctx context.Context, core *space.Space, snapshot bool) (fits bool, err error) {
	store := s.storage.Store
	headers, err := store.Scan(ctx, storage.Prefix(feed.HeaderPrefix(core.Key())), 0)
	if err != nil {
		return false, err
	}
	var repairs storage.Batch
	for len(headers) > 0 {
		scans := s.scanFeeds(ctx, core, headers)
		for i, scan := range scans {
			if scan.err != nil {
				return false, scan.err
			}
			fid, _ := feed.ParseHeaderKey(headers[i].Key)
			for _, d := range core.Load(headers[i], scan.records, s.rest()) {
				if d.Mended != nil {
					s.c.ports.Env.Log.Error("a damaged record is mended", "space", id.Short(core.Key()), "feed", id.Short(fid), "err", d.Err)
					repairs.Put(d.Key, d.Mended)
					continue
				}
				if snapshot {
					return false, nil
				}
				s.c.ports.Env.Log.Error("a damaged record is set aside; peers will be asked for it", "space", id.Short(core.Key()), "feed", id.Short(fid), "err", d.Err)
				setAside(&repairs, d.Key, headers[i], scan.records)
			}
		}
		headers = headers[len(scans):]
	}
	if !core.Fits() {
		return false, nil
	}
	if repairs.Len() > 0 {
		return true, store.Apply(ctx, &repairs, storage.Strict)
	}
	return true, nil
}

// feedScan is the records of a feed.
type feedScan struct {
	records []storage.Entry
	err     error
}

// readTogether is how many control feeds are read at once: there may be thousands, of a few
// small records each, and it is the waiting for each that takes long.
const readTogether = 16

// scanFeeds reads the records of the first of these feeds; if it is a control feed, those
// of control feeds behind it too.
func (s *session) scanFeeds(ctx context.Context, core *space.Space, headers []storage.Entry) []feedScan {
	n := 0
	for n < min(len(headers), readTogether) && saysControl(headers[n]) {
		n++
	}
	if n == 0 {
		return []feedScan{s.scanFeed(ctx, core, headers[0], true)}
	}
	scans := make([]feedScan, n)
	var tasks sync.WaitGroup
	for i := range scans {
		tasks.Go(func() {
			defer s.c.rescue()
			scans[i] = s.scanFeed(ctx, core, headers[i], false)
		})
	}
	tasks.Wait()
	return scans
}

// scanFeed reads the records of a feed from where its snapshot ends, with repacks, of which
// control feeds have none. A header under a key of another form has no records.
func (s *session) scanFeed(ctx context.Context, core *space.Space, header storage.Entry, repacked bool) feedScan {
	fid, ok := feed.ParseHeaderKey(header.Key)
	if !ok {
		return feedScan{}
	}
	store := s.storage.Store
	records, err := store.Scan(ctx, feed.BlockRange(fid, core.From(fid), 0), 0)
	if err == nil && repacked {
		var repacks []storage.Entry
		repacks, err = store.Scan(ctx, feed.RepackRange(fid, core.From(fid)), 0)
		records = append(records, repacks...)
	}
	return feedScan{records, err}
}

// saysControl tells whether a header is that of a control feed, by its own word.
func saysControl(header storage.Entry) bool {
	h, err := feed.ReadHeader(header.Value)
	return err == nil && h.Kind == feed.Control
}

var quarantinePrefix = []byte("q/")

// setAside moves a damaged record under the quarantine prefix.
func setAside(b *storage.Batch, key []byte, header storage.Entry, blocks []storage.Entry) {
	for _, e := range append(blocks, header) {
		if string(e.Key) == string(key) {
			b.Put(append(append([]byte(nil), quarantinePrefix...), key...), e.Value)
			b.Delete(key)
			return
		}
	}
}

// addSpace starts the runtime of an opened space.
func (s *session) addSpace(ctx context.Context, core *space.Space, known *snapshot) (*Space, error) {
	sp := newSpace(s, core, known)
	s.mu.Lock()
	s.spaces[core.Key()] = sp
	s.mu.Unlock()
	if err := sp.start(ctx); err != nil {
		return nil, err
	}
	s.c.publishSpaces(s)
	return sp, nil
}
