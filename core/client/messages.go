package client

import (
	"context"
	"sync"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/wire"
)

// ChannelMessage is a message of another member on a channel of a space. It is
// not stored: who is not there does not get it.
type ChannelMessage struct {
	Channel string
	Data    []byte
	From    id.IdentityKey
	Device  id.DeviceKey
}

// Limits of messages between members.
const (
	maxChannel     = 256      // bytes of a channel's name
	maxChannelData = 30 << 10 // bytes of one message
)

type listener struct {
	fn   func(ChannelMessage)
	mu   sync.Mutex
	gone bool
}

const gossipLabel = "echospace channel message v1"

// gossip payload, sealed under the epoch key: [1, device, channel, data,
// signature of the device over label, space, channel, data]. The sealed form is
// [epoch key id, ciphertext].

// PostMessage sends data to every member that is reachable now, in the order of the
// calls.
//
// Errors: errs.SpaceClosed, errs.TooLarge, errs.KeyUnavailable, and ctx's.
func (sp *Space) PostMessage(ctx context.Context, channel string, data []byte) error {
	const op = "space.postMessage"
	if len(channel) > maxChannel || len(data) > maxChannelData {
		return errs.New(op, errs.TooLarge, "a channel's name may have %d bytes and a message %d, these have %d and %d", maxChannel, maxChannelData, len(channel), len(data))
	}
	sp.mu.Lock()
	r := sp.run
	if r == nil {
		sp.mu.Unlock()
		return sp.closedError(op)
	}
	me := sp.core.Self()
	before, sent := r.posting, make(chan struct{})
	r.posting = sent
	sp.mu.Unlock()
	defer close(sent)
	sig, err := me.Signer.Sign(ctx, channelMessage(sp.key, channel, data)) // while others are sent
	if before != nil {
		<-before // which ends when its signature does
	}
	if err != nil {
		return err
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run != r {
		return sp.closedError(op)
	}
	err = sp.publishMessage(r, channel, data, sig)
	r.poke()
	return err
}

func (sp *Space) publishMessage(r *runtime, channel string, data []byte, sig [64]byte) error {
	e := sp.s.c.ports.Env
	key, ok := sp.core.EpochKey(id.EpochID{})
	if !ok {
		return errs.New("space.postMessage", errs.KeyUnavailable, "no epoch key of space %s is held", id.Short(sp.key))
	}
	me := sp.core.Self()
	b := wire.AppendArray(nil, 5)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, me.Device[:])
	b = wire.AppendString(b, channel)
	b = wire.AppendBytes(b, data)
	b = wire.AppendBytes(b, sig[:])
	kid := key.ID()
	sealed := wire.AppendArray(nil, 2)
	sealed = wire.AppendBytes(sealed, kid[:])
	sealed = wire.AppendBytes(sealed, keys.Seal(e, key, b, kid[:]))
	msg, err := r.talk.Publish(sealed, e.Clock.Now())
	if err != nil {
		return err
	}
	sp.spread(r, msg, 0)
	return nil
}

func channelMessage(space id.SpaceKey, channel string, data []byte) []byte {
	sum := keys.SumLabel(gossipLabel, space[:], []byte(channel), data)
	return sum[:]
}

// spread sends a gossip message to every session but one.
func (sp *Space) spread(r *runtime, msg []byte, except mesh.SessionID) {
	framed := append([]byte{messageGossip}, msg...)
	for sid := range r.sessions {
		if sid == except {
			continue
		}
		if err := r.swarm.Send(sid, framed, false); err != nil {
			r.swarm.Disconnect(sid, err)
		}
	}
}

// gossip takes a message of a session: it is passed on and heard only if its
// author is a member.
func (sp *Space) gossip(r *runtime, from mesh.SessionID, msg []byte) error {
	got, fresh, err := r.talk.Receive(msg, sp.s.c.ports.Env.Clock.Now())
	if err != nil || !fresh {
		return err
	}
	m, err := sp.openMessage(got.Payload)
	if errs.Is(err, errs.KeyUnavailable) || errs.Is(err, errs.NotPermitted) {
		return nil // of an epoch or a member that has not arrived yet
	}
	if err != nil {
		return err
	}
	if got.Forward != nil {
		sp.spread(r, got.Forward, from)
	}
	heard := append([]*listener(nil), sp.listens[m.Channel]...)
	r.heard = append(r.heard, func() {
		for _, l := range heard {
			l.tell(m)
		}
	})
	return nil
}

func (l *listener) tell(m ChannelMessage) {
	l.mu.Lock()
	gone := l.gone
	l.mu.Unlock()
	if !gone {
		l.fn(m)
	}
}

func (sp *Space) openMessage(sealed []byte) (m ChannelMessage, err error) {
	const op = "client.gossip"
	r := wire.NewReader(sealed)
	var kid id.EpochID
	r.Array(2)
	r.Fixed(kid[:])
	ciphertext := r.Bytes(2 * maxChannelData)
	if err := r.Done(op); err != nil {
		return m, err
	}
	key, ok := sp.core.EpochKey(kid)
	if !ok {
		return m, errs.New(op, errs.KeyUnavailable, "epoch %s is not held", kid)
	}
	plain, err := keys.Open(key, ciphertext, kid[:])
	if err != nil {
		return m, err
	}
	r = wire.NewReader(plain)
	var sig [64]byte
	r.Array(5)
	if v := r.Uint(1 << 16); r.Err() == nil && v != 1 {
		return m, errs.New(op, errs.VersionUnsupported, "a channel message of version %d", v)
	}
	r.Fixed(m.Device[:])
	m.Channel = r.String(maxChannel)
	m.Data = append([]byte{}, r.Bytes(maxChannelData)...)
	r.Fixed(sig[:])
	if err := r.Done(op); err != nil {
		return m, err
	}
	member, ok := sp.core.Sender(m.Device)
	if !ok {
		return m, errs.New(op, errs.NotPermitted, "a message of device %s, which is no member's", id.Short(m.Device))
	}
	m.From = member.Identity
	return m, keys.Verify([32]byte(m.Device), channelMessage(sp.key, m.Channel, m.Data), sig[:])
}

// Listen calls fn for every message of another member on a channel, in order
// of arrival, until cancel. fn must not block.
func (sp *Space) Listen(channel string, fn func(ChannelMessage)) (cancel func()) {
	l := &listener{fn: fn}
	sp.mu.Lock()
	sp.listens[channel] = append(sp.listens[channel], l)
	sp.mu.Unlock()
	sp.s.net.following().poke()
	return func() {
		l.mu.Lock()
		l.gone = true
		l.mu.Unlock()
		sp.mu.Lock()
		defer sp.mu.Unlock()
		list := sp.listens[channel]
		for i, other := range list {
			if other == l {
				list = append(list[:i:i], list[i+1:]...)
				break
			}
		}
		if len(list) == 0 {
			delete(sp.listens, channel)
			return
		}
		sp.listens[channel] = list
	}
}
