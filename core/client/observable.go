package client

import "sync"

// Var is an observable value. Subscribers get the value at once and then each
// change, in order, one at a time, without any lock held. The zero Var holds
// the zero value.
type Var[T any] struct {
	mu    sync.Mutex
	value T
	subs  []*subscriber[T]
	queue []delivery[T]
	busy  bool
}

type subscriber[T any] struct {
	fn   func(T)
	gone bool // guarded by the Var's mutex
}

type delivery[T any] struct {
	to    *subscriber[T]
	value T
}

// Get gives the present value.
func (v *Var[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value
}

// Set changes the value and tells every subscriber. If another call is telling
// them already, that one goes on with this value.
func (v *Var[T]) Set(value T) { v.Update(func(T) T { return value }) }

// Update changes the value by a function of the old one, which must not call
// the Var.
func (v *Var[T]) Update(f func(T) T) {
	v.mu.Lock()
	v.value = f(v.value)
	for _, s := range v.subs {
		v.queue = append(v.queue, delivery[T]{s, v.value})
	}
	v.deliver()
}

// Subscribe calls fn with the present value before it returns, unless a
// delivery is under way, which then makes the call; and with each later value
// until cancel was called. cancel is idempotent.
func (v *Var[T]) Subscribe(fn func(T)) (cancel func()) {
	s := &subscriber[T]{fn: fn}
	v.mu.Lock()
	v.subs = append(v.subs, s)
	v.queue = append(v.queue, delivery[T]{s, v.value})
	v.deliver()
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		s.gone = true
		for i, other := range v.subs {
			if other == s {
				v.subs = append(v.subs[:i:i], v.subs[i+1:]...)
				break
			}
		}
	}
}

// deliver empties the queue. It is called with the mutex held and gives it back.
func (v *Var[T]) deliver() {
	if v.busy {
		v.mu.Unlock()
		return
	}
	v.busy = true
	for len(v.queue) > 0 {
		d := v.queue[0]
		v.queue = v.queue[1:]
		if d.to.gone {
			continue
		}
		v.mu.Unlock()
		d.to.fn(d.value)
		v.mu.Lock()
	}
	v.queue, v.busy = nil, false
	v.mu.Unlock()
}
