package client

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/keys/mnemonic"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/space"
)

const (
	searchTick = 100 * time.Millisecond
	// searchMore is how long others may answer after the first did, and searchMost how
	// long those who do are waited for.
	searchMore = 1500 * time.Millisecond
	searchMost = 10 * time.Second
	askAgain   = time.Second // and twice that each time
	askSeldom  = 8 * time.Second
	maxSources = 256
	maxFound   = 1 << 12
)

// returning is a person who comes back with nothing but the words: it asks whoever is
// under the topic of the recovery key.
type returning struct {
	s         *session
	gate      recoveryGate
	signer    *keys.SigningKey
	sealing   *keys.SealingKey
	ephemeral *keys.SealingKey
	stay      *stay

	mu      sync.Mutex
	sources map[sourceAt]*source
	have    map[id.Hash]bool
	found   []found
	handed  []item    // keys
	since   time.Time // of the first that was found
}

type sourceAt struct {
	relay int
	peer  id.PeerID
}

// source is somebody who may help.
type source struct {
	ask    ask // that was not answered yet
	got    []byte
	todo   []id.Hash
	listed bool // it has said what it has
	idle   bool // and all of that is here
	again  time.Time
	pause  time.Duration
}

// found is an item that holds, with what its envelope holds.
type found struct {
	verified
	chain   [][]byte
	content space.Recovery
}

func newReturning(s *session, words mnemonic.Phrase) *returning {
	r := &returning{s: s, sources: map[sourceAt]*source{}, have: map[id.Hash]bool{}}
	r.signer, r.sealing = words.Keys()
	r.ephemeral = keys.NewSealingKey([32]byte(s.c.ports.Env.Bytes(32)))
	r.gate = recoveryGateOf(r.signer.Public())
	r.stay = &stay{s: s, topic: r.gate.topic, event: r.event}
	return r
}

func (r *returning) erase() {
	r.signer.Erase()
	r.sealing.Erase()
	r.ephemeral.Erase()
}

// search asks until somebody has answered, and a little longer.
func (r *returning) search(ctx context.Context) error {
	r.s.net.attach(r.stay)
	defer r.s.net.detach(r.stay)
	tick := time.NewTicker(searchTick)
	defer tick.Stop()
	for !r.enough() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// enough asks again what was not answered, and tells whether to go on with what is there.
func (r *returning) enough() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.s.c.ports.Env.Clock.Now()
	busy := false
	for at, src := range r.sources {
		busy = busy || src.listed && !src.idle
		if !now.Before(src.again) {
			src.idle, src.listed = false, src.listed && !src.idle
			r.send(at, src)
			src.pause = min(2*src.pause, askSeldom)
		}
	}
	passed := now.Sub(r.since)
	return len(r.found) > 0 && (passed >= searchMore && !busy || passed >= searchMost)
}

// send asks a source. r.mu is held.
func (r *returning) send(at sourceAt, src *source) {
	e := r.s.c.ports.Env
	src.again = e.Clock.Now().Add(src.pause)
	src.ask.ephemeral = r.ephemeral.Public()
	src.ask.offset = len(src.got)
	frame, err := r.gate.encodeAsk(e, r.signer, src.ask)
	if err != nil {
		e.Log.Error("a question of a recovery could not be signed", "err", err)
		return
	}
	r.stay.send(at.relay, at.peer, frame)
}

// next asks a source for an item; zero is its list.
func (r *returning) next(at sourceAt, src *source, name id.Hash) {
	src.ask.item, src.got, src.pause = name, nil, askAgain
	r.send(at, src)
}

// event takes in what happens under the topic.
func (r *returning) event(relay int, ev signal.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := sourceAt{relay, ev.Peer}
	switch ev.Type {
	case signal.Down:
		for at := range r.sources {
			if at.relay == relay {
				delete(r.sources, at)
			}
		}
	case signal.Joined:
		if len(r.sources) < maxSources && r.sources[at] == nil {
			r.sources[at] = &source{}
			r.next(at, r.sources[at], id.Hash{})
		}
	case signal.Left:
		delete(r.sources, at)
	case signal.Frame:
		if src := r.sources[at]; src != nil {
			r.answer(at, src, ev.Data)
		}
	}
}

// answer takes an answer. What is none, or not to the question, is passed over: the
// question is asked again, ever more seldom.
func (r *returning) answer(at sourceAt, src *source, frame []byte) {
	t, ok := r.gate.decodeTell(r.ephemeral, frame)
	if !ok || src.idle || t.item != src.ask.item || t.offset != len(src.got) || len(t.piece) == 0 && t.offset < t.size {
		return
	}
	src.got = append(src.got, t.piece...)
	if len(src.got) < t.size {
		src.pause = askAgain
		r.send(at, src)
		return
	}
	if id.IsZero(t.item) {
		src.listed = true
		for b := src.got; len(b) >= len(id.Hash{}) && len(src.todo) < maxRecoverable; b = b[len(id.Hash{}):] {
			src.todo = append(src.todo, id.Hash(b[:len(id.Hash{})]))
		}
	} else if keys.Sum(src.got) != t.item || !r.take(t.item, src.got) {
		delete(r.sources, at) // it lies
		return
	}
	for len(src.todo) > 0 {
		name := src.todo[0]
		src.todo = src.todo[1:]
		if !r.have[name] && !id.IsZero(name) {
			r.next(at, src, name)
			return
		}
	}
	// It may come to know more: it is asked for its list again.
	src.idle = true
	src.ask.item, src.got, src.pause = id.Hash{}, nil, askSeldom
	src.again = r.s.c.ports.Env.Clock.Now().Add(src.pause)
}

// take checks an item and opens its envelope; false if nothing of it is to be believed.
func (r *returning) take(name id.Hash, b []byte) bool {
	it, err := decodeItem(b)
	if err != nil {
		return false
	}
	if it.keys != nil { // what they are for shows later
		if len(r.handed) < maxFound {
			r.handed, r.have[name] = append(r.handed, it), true
		}
		return true
	}
	f := found{}
	if f.verified, err = it.verify(r.gate.key); err != nil {
		return false
	}
	if f.content, err = space.OpenRecovery(r.sealing, it.space, f.claim); err != nil {
		return false
	}
	m, err := credential.VerifyProof(f.content.Halo.Key, f.envelope.Issuer, f.content.Halo.Proof)
	if err != nil || m.Identity != f.claim.Identity || len(r.found) >= maxFound {
		return false
	}
	for _, c := range it.chain {
		f.chain = append(f.chain, bytes.Clone(c))
	}
	r.have[name] = true
	r.found = append(r.found, f)
	if r.since.IsZero() {
		r.since = r.s.c.ports.Env.Clock.Now()
	}
	return true
}

// merged gives the best that was found, that with the most keys of the HALO, with those
// keys of it that others have besides; and the spaces of all. What a device sealed that
// the best knows as revoked counts for nothing.
func (r *returning) merged() (best found, spaces []space.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Clone(r.found)
	sort.SliceStable(list, func(i, j int) bool {
		a, b := len(list[i].content.Halo.Secrets.Controls), len(list[j].content.Halo.Secrets.Controls)
		return a > b || a == b && list[i].envelope.Time > list[j].envelope.Time
	})
	best = list[0]
	at := map[id.SpaceKey]int{}
	for _, f := range list {
		if f.content.Halo.Key != best.content.Halo.Key || slices.Contains(best.content.Ended, f.envelope.Issuer) {
			continue
		}
		best.content.Halo.Secrets = f.content.Halo.Secrets.Join(best.content.Halo.Secrets)
		for _, s := range f.content.Spaces {
			i, known := at[s.Key]
			if !known {
				at[s.Key] = len(spaces)
				spaces = append(spaces, space.Record{Key: s.Key, Secrets: s.Secrets})
				continue
			}
			spaces[i].Secrets = s.Secrets.Join(spaces[i].Secrets)
		}
	}
	to := best.recovery.Claim.(credential.Recovery)
	for _, it := range r.handed {
		sec, err := space.OpenHanded(r.sealing, it.space, to, it.keys)
		i, known := at[it.space]
		switch {
		case err != nil:
		case known:
			spaces[i].Secrets = spaces[i].Secrets.Join(sec)
		case it.space == best.content.Halo.Key:
			best.content.Halo.Secrets = best.content.Halo.Secrets.Join(sec)
		}
	}
	return best, spaces
}
