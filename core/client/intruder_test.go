package client_test

import (
	"context"
	"sync"
	"time"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/space"
)

// intruder is a stay under a topic by code that is not ours: it proves itself with
// whatever its Auth says, and asks everybody for what it can.
type intruder struct {
	w     *world
	swarm *mesh.Swarm
	rv    signal.Rendezvous
	self  id.PeerID
	leave func() // ends the stay; it may be called again
	// on takes the events, and then is called for what is to be said; nil: it greets
	// everybody with something of no meaning.
	on func(events []mesh.Event)

	mu   sync.Mutex
	seen []mesh.Event
}

// intrude begins such a stay, which ends with the test.
func (w *world) intrude(gate space.Gate, auth mesh.Auth) *intruder {
	w.t.Helper()
	return w.intrudeWith(gate, auth, nil)
}

// intrudeWith is intrude for one that answers.
func (w *world) intrudeWith(gate space.Gate, auth mesh.Auth, on func(i *intruder, events []mesh.Event)) *intruder {
	w.t.Helper()
	ctx, e := context.Background(), testEnv()
	swarm, err := mesh.NewSwarm(mesh.Options{
		Env: e, Topic: gate.Topic, PSK: gate.PSK, Auth: auth, Instance: [16]byte(e.Bytes(16)), Direct: true,
	})
	ok(w.t, err)
	rv, err := w.hub.Signaler().Join(ctx, gate.Topic)
	ok(w.t, err)
	i := &intruder{w: w, swarm: swarm, rv: rv}
	if on != nil {
		i.on = func(events []mesh.Event) { on(i, events) }
	}
	ready, stop := make(chan struct{}), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			ev, err := rv.Recv(ctx)
			if err != nil {
				return
			}
			if ev.Type == signal.Up {
				i.self = ev.Self
				close(ready)
			}
			i.drive(func() { swarm.Signal(ev) })
		}
	})
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				i.drive(func() {})
			}
		}
	})
	i.leave = sync.OnceFunc(func() {
		close(stop)
		_ = rv.Close() // leaving
		running.Wait()
	})
	w.t.Cleanup(i.leave)
	<-ready
	return i
}

func (i *intruder) drive(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.swarm.Tick(time.Now())
	f()
	for {
		out := i.swarm.Ready()
		i.seen = append(i.seen, out.Events...)
		if i.on != nil {
			i.on(out.Events)
		}
		for _, ev := range out.Events {
			if i.on == nil && ev.Type == mesh.Connected {
				_ = i.swarm.Send(ev.Session, []byte{0, 1, 2, 3}, false) // whatever may come of it
			}
		}
		for _, f := range out.Frames {
			_ = i.rv.Send(context.Background(), f.To, f.Data) // a peer may be gone
		}
		if len(out.Events)+len(out.Frames) == 0 {
			return
		}
	}
}

// events gives what happened of one type.
func (i *intruder) events(t mesh.EventType) (list []mesh.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, ev := range i.seen {
		if ev.Type == t {
			list = append(list, ev)
		}
	}
	return list
}
