package client

import (
	"context"
	"sync"
	"time"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
)

// stay is a participant that meets others under one topic at every relay.
type stay struct {
	s     *session
	topic id.Topic
	// event is told what happens at a relay, by its number: at each in order. It may send.
	event func(relay int, ev signal.Event)

	mu     sync.Mutex
	cancel context.CancelFunc // nil while offline
	frames []*outbox[stayFrame]
	tasks  *sync.WaitGroup
}

type stayFrame struct {
	to   id.PeerID
	data []byte
}

// up joins the topic at every relay.
func (y *stay) up(relays []Relay) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(y.s.ctx)
	y.cancel, y.frames, y.tasks = cancel, nil, &sync.WaitGroup{}
	tasks := y.tasks
	for n, relay := range relays {
		frames := newOutbox[stayFrame]()
		y.frames = append(y.frames, frames)
		tasks.Add(1)
		go func() { // down waits for it
			defer tasks.Done()
			defer y.s.c.rescue()
			y.meet(ctx, relay, n, frames)
		}()
	}
}

// down leaves the topic. When it returns no event comes any more.
func (y *stay) down() {
	y.mu.Lock()
	cancel, frames, tasks := y.cancel, y.frames, y.tasks
	y.cancel, y.frames = nil, nil
	y.mu.Unlock()
	if cancel == nil {
		return
	}
	for _, f := range frames {
		f.close()
	}
	grace := time.AfterFunc(closeGrace, cancel)
	tasks.Wait()
	grace.Stop()
	cancel()
}

// send queues a frame; offline it is lost.
func (y *stay) send(relay int, to id.PeerID, data []byte) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if relay < len(y.frames) {
		y.frames[relay].add(stayFrame{to, data})
	}
}

func (y *stay) meet(ctx context.Context, relay Relay, number int, frames *outbox[stayFrame]) {
	log := y.s.c.ports.Env.Log
	rv, err := relay.Join(ctx, y.topic)
	if err != nil && ctx.Err() != nil {
		return
	}
	if err != nil {
		log.Error("a recovery topic could not be joined", "err", err)
		return
	}
	var receiver sync.WaitGroup
	receiver.Add(1)
	go func() {
		defer receiver.Done()
		defer y.s.c.rescue()
		for {
			ev, err := rv.Recv(ctx)
			if err != nil {
				y.event(number, signal.Event{Type: signal.Down})
				return
			}
			y.event(number, ev)
		}
	}()
	for {
		f, ok := frames.next(ctx)
		if !ok {
			break
		}
		if err := rv.Send(ctx, f.to, f.data); err != nil {
			log.Debug("a frame of a recovery was not sent", "err", err)
		}
	}
	_ = rv.Close() // leaving
	receiver.Wait()
}
