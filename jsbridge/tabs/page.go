//go:build js

package tabs

import (
	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/jsbridge/jsval"
)

// State is how the page is now.
type State struct {
	// Visible: some part of it may be on a screen.
	Visible bool
	// Online is false when the browser knows that there is no network; true
	// promises nothing.
	Online bool
}

// Event is something that happened to the page.
type Event struct {
	// Name is that of the DOM event: visibilitychange, freeze, resume, pageshow,
	// pagehide, online or offline. After a resume, or a pageshow that is
	// Restored, connections are likely dead and time has passed.
	Name string
	// Restored is true for a pageshow out of the back/forward cache.
	Restored bool
	// State is how the page is after it.
	State State
}

// Current gives the state of the page.
func Current() State {
	s := State{Visible: true, Online: true}
	if doc, ok := jsval.Global("document"); ok {
		s.Visible = jsval.String(doc, "visibilityState") != "hidden"
	}
	if nav, ok := jsval.Global("navigator"); ok {
		if v, err := nav.Get("onLine"); err == nil && jsval.Is(v, safejs.TypeBoolean) {
			s.Online = jsval.Bool(nav, "onLine")
		}
	}
	return s
}

// Watch calls fn, on the event loop, for every Event until release is called.
// fn must not block. release is idempotent.
func Watch(fn func(ev Event)) (release func(), err error) {
	handler := func(ev safejs.Value) {
		fn(Event{
			Name:     jsval.String(ev, "type"),
			Restored: jsval.Bool(ev, "persisted") && jsval.String(ev, "type") == "pageshow",
			State:    Current(),
		})
	}
	handlers := func(names ...string) map[string]func(safejs.Value) {
		m := map[string]func(safejs.Value){}
		for _, n := range names {
			m[n] = handler
		}
		return m
	}
	window, err := jsval.ListenAll(safejs.Global(), handlers("pageshow", "pagehide", "online", "offline"))
	if err != nil {
		return nil, err
	}
	doc, ok := jsval.Global("document")
	if !ok {
		return window, nil
	}
	document, err := jsval.ListenAll(doc, handlers("visibilitychange", "freeze", "resume"))
	if err != nil {
		window()
		return nil, err
	}
	return func() {
		window()
		document()
	}, nil
}
