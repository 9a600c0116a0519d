//go:build js

package main

import (
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/jsbridge/tabs"
)

// siblings is client.Tabs over a BroadcastChannel, open while it is listened to.
type siblings struct {
	name    string
	log     env.Logger
	channel *tabs.Channel
}

// Post tells the other tabs; without a channel nobody is told, which only
// delays what they see.
func (s *siblings) Post(msg []byte) {
	if s.channel == nil {
		return
	}
	if err := s.channel.Post(msg); err != nil {
		s.log.Warn("the other tabs were not told", "err", err)
	}
}

// Listen implements client.Tabs.
func (s *siblings) Listen(fn func([]byte)) (release func()) {
	channel, err := tabs.OpenChannel(s.name)
	if err == nil {
		_, err = channel.Listen(fn)
	}
	if err != nil {
		s.log.Warn("the other tabs will not be heard", "err", err)
		return func() {}
	}
	s.channel = channel
	return func() {
		s.channel = nil
		channel.Close()
	}
}

// visible is client.Ports.Visible.
func visible(fn func(bool)) (release func()) {
	fn(tabs.Current().Visible)
	release, err := tabs.Watch(func(ev tabs.Event) { fn(ev.State.Visible) })
	if err != nil {
		fn(true) // nobody would tell that it is seen again
		return func() {}
	}
	return release
}

// onWake calls fn when the network or the page is back.
func onWake(fn func()) (release func()) {
	release, err := tabs.Watch(func(ev tabs.Event) {
		switch ev.Name {
		case "online", "resume":
			fn()
		case "pageshow":
			if ev.Restored {
				fn()
			}
		case "visibilitychange":
			if ev.State.Visible {
				fn()
			}
		}
	})
	if err != nil {
		return func() {} // an environment without events does not sleep either
	}
	return release
}
