//go:build js

package tabs

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/jsbridge/jsval"
)

// Yielder lets the page handle other events in the middle of long work: a task
// posted through a MessageChannel, which browsers do not delay as they do
// nested timers (HTML Standard, "timer initialization steps").
type Yielder struct {
	port    safejs.Value
	waiting []chan struct{}
}

// NewYielder opens the channel. It is meant for the life of the page.
func NewYielder() (*Yielder, error) {
	channel, err := jsval.New("MessageChannel")
	if err != nil {
		return nil, err
	}
	y := &Yielder{}
	if y.port, err = channel.Get("port1"); err != nil {
		return nil, err
	}
	other, err := channel.Get("port2")
	if err != nil {
		return nil, err
	}
	if _, err := jsval.Listen(other, "message", func(safejs.Value) { y.turn() }); err != nil {
		return nil, err
	}
	_, err = other.Call("start")
	return y, err
}

// turn ends the wait of everybody who waited when the event was posted.
func (y *Yielder) turn() {
	waiting := y.waiting
	y.waiting = nil
	for _, c := range waiting {
		close(c)
	}
}

// Yield returns after the page had the chance to handle other events, or when
// ctx is done.
func (y *Yielder) Yield(ctx context.Context) {
	turn := make(chan struct{})
	y.waiting = append(y.waiting, turn)
	if len(y.waiting) == 1 {
		if _, err := y.port.Call("postMessage", 0); err != nil {
			y.turn() // no event will come
		}
	}
	select {
	case <-turn:
	case <-ctx.Done():
	}
}
