package client

import (
	"context"
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/syncer"
	"github.com/echospace/echospace/core/wire"
)

// Messages between the engines of one profile: [type, body]. They carry what
// the sender has stored already, so the receiver takes it in without storing.
const (
	tabIdentity = 1 // the identity was made or changed; no body
	tabSpace    = 2 // a space's record was stored; body: its key
	tabBlocks   = 3 // blocks were stored; body: [space, header, [block...]]
	tabPresence = 4 // whether the sender can be seen; body: [slot, visible]
	// tabSpaceGone: a space was removed from the profile; body: its key.
	tabSpaceGone = 5
)

// maxTabRun bounds the bytes of blocks in one message.
const maxTabRun = 32 << 20

func (s *session) postTabs(kind uint64, body []byte) {
	if s.c.ports.Tabs == nil {
		return
	}
	b := wire.AppendArray(make([]byte, 0, len(body)+16), 2)
	b = wire.AppendUint(b, kind)
	s.c.ports.Tabs.Post(wire.AppendBytes(b, body))
}

func (s *session) postBlocks(key id.SpaceKey, in *space.Intake) {
	if s.c.ports.Tabs == nil {
		return
	}
	header, records := in.Header.Encode(), in.Records()
	size := len(key) + len(header)
	for _, raw := range records {
		size += len(raw) + 8
	}
	b := make([]byte, 0, size+32)
	b = wire.AppendArray(b, 3)
	b = wire.AppendBytes(b, key[:])
	b = wire.AppendBytes(b, header)
	b = wire.AppendArray(b, len(records))
	for _, raw := range records {
		b = wire.AppendBytes(b, raw)
	}
	s.postTabs(tabBlocks, b)
}

func (s *session) listenTabs() {
	if s.c.ports.Tabs == nil {
		return
	}
	s.release = append(s.release, s.c.ports.Tabs.Listen(func(msg []byte) {
		if s.ctx.Err() != nil {
			return
		}
		if err := s.tabMessage(msg); err != nil {
			s.c.ports.Env.Log.Warn("a message of another tab was not taken", "err", err)
		}
	}))
	s.attend()
}

func (s *session) tabMessage(msg []byte) error {
	const op = "client.tabs"
	r := wire.NewReader(msg)
	r.Array(2)
	kind := r.Uint(255)
	body := r.Bytes(maxTabRun)
	if err := r.Done(op); err != nil {
		return err
	}
	switch kind {
	case tabIdentity:
		s.spawnReload(nil)
	case tabSpace, tabSpaceGone: // which of the two came last is stored
		key, ok := id.From[id.SpaceKey](body)
		if !ok {
			return errs.New(op, errs.Malformed, "a space key of %d bytes", len(body))
		}
		s.spawnReload(&key)
	case tabBlocks:
		return s.tabBlocks(body)
	case tabPresence:
		return s.presence(body)
	}
	return nil // a newer tab may say more
}

func (s *session) tabBlocks(body []byte) error {
	r := wire.NewReader(body)
	var key id.SpaceKey
	r.Array(3)
	r.Fixed(key[:])
	header := r.Bytes(64 << 10)
	var blocks [][]byte
	for n := r.ArrayLen(1 << 20); n > 0 && r.Err() == nil; n-- {
		blocks = append(blocks, r.Bytes(3*feed.MaxBlock))
	}
	if err := r.Done("client.tabs"); err != nil {
		return err
	}
	sp := s.spaceOf(key)
	if sp == nil {
		return nil // its record was announced before; it reads them from storage
	}
	return sp.takeStored(header, blocks)
}

// takeStored takes in blocks that another engine of the profile has stored.
func (sp *Space) takeStored(header []byte, blocks [][]byte) error {
	sp.mu.Lock()
	r := sp.run
	if r == nil {
		sp.mu.Unlock()
		return nil
	}
	defer r.poke()
	defer sp.mu.Unlock()
	h, err := feed.DecodeHeader(header)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(blocks, feed.IsRepack) { // in slices
		r.runs = append(r.runs, heldRun{Run: syncer.Run{Feed: h.ID(), Header: h, Blocks: blocks}})
		return nil
	}
	in, err := sp.core.Receive(h, blocks, nil)
	if errs.Is(err, errs.MissingDependency) || errs.Is(err, errs.UnknownFeed) {
		// An earlier message was missed: the network or a peer brings them,
		// and storing them once more does no harm.
		r.runs = append(r.runs, heldRun{Run: syncer.Run{Feed: h.ID(), Header: h, Blocks: blocks}})
		return nil
	}
	if err != nil || in == nil {
		return err
	}
	sp.commit(r, in)
	return nil
}

// spawnReload takes over what another tab stored: the identity, and a space.
func (s *session) spawnReload(key *id.SpaceKey) {
	s.spawn(func(ctx context.Context) {
		if err := s.reload(ctx, key); err != nil && ctx.Err() == nil {
			s.c.ports.Env.Log.Warn("what another tab made could not be opened", "err", err)
		}
	})
}

func (s *session) reload(ctx context.Context, key *id.SpaceKey) error {
	if err := s.loadIdentity(ctx); err != nil {
		return err
	}
	if err := s.loadHalo(ctx); err != nil {
		return err
	}
	s.keepHalo()
	s.c.publishIdentity(s)
	s.keeper().poke() // what was read may be old by now
	if key == nil {
		return nil
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	return s.match(ctx, *key)
}
