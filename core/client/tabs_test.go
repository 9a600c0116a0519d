package client_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echospace/echospace/core/client"
)

// sight is a page's visibility.
type sight struct{ client.Var[bool] }

// openTab makes an open client of a profile in a page of its own.
func (w *world) openTab(p *profile) (*client.Client, *sight) {
	w.t.Helper()
	s := &sight{}
	s.Set(true)
	ports := client.Ports{
		Env: testEnv(),
		OpenStore: func(context.Context, func(error)) (client.Storage, error) {
			return p.storage(), nil
		},
		Relays: func(func()) []client.Relay {
			return []client.Relay{{
				Signaler: w.hub.Signaler(),
				Status:   func() client.RelayStatus { return client.RelayStatus{URL: "mem:", State: client.RelayUp} },
				Poke:     func() {},
			}}
		},
		Slot:    p.slot,
		Tabs:    p.tabs.join(),
		Lock:    func(context.Context, string) (func(), error) { return func() {}, nil },
		Visible: func(fn func(bool)) func() { return s.Subscribe(fn) },
	}
	c := client.New(ports)
	ok(w.t, c.Initialize(context.Background()))
	return c, s
}

func TestTabs_T02_hiddenTabLeavesTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := newProfile()
		ctx := t.Context()
		one, _ := w.openTab(p)
		_, err := one.CreateIdentity(ctx, "Ada")
		ok(t, err)
		sp, err := one.CreateSpace(ctx)
		ok(t, err)
		two, sight := w.openTab(p)
		is := func(when string, want client.NetworkState) {
			t.Helper()
			synctest.Wait()
			if got := two.Network.Get().State; got != want {
				t.Fatalf("%s: the tab is %s, want %s", when, got, want)
			}
		}
		is("visible", client.NetworkOnline)
		sight.Set(false)
		time.Sleep(25 * time.Second)
		is("hidden for a while", client.NetworkOnline)
		time.Sleep(time.Minute)
		is("hidden for long", client.NetworkOffline)

		// What it does without the network goes on, also by way of the other tab.
		hidden := two.Space(sp.Key())
		inv, err := hidden.CreateInvitation(client.InvitationOptions{})
		ok(t, err)
		is("with an invitation", client.NetworkOnline)
		ok(t, inv.Cancel(ctx))
		time.Sleep(time.Minute)
		is("after the invitation", client.NetworkOffline)
		cancel := hidden.Listen("chat", func(client.ChannelMessage) {})
		is("listening to a channel", client.NetworkOnline)
		cancel()
		time.Sleep(time.Minute)
		is("not listening any more", client.NetworkOffline)

		ok(t, two.GoOffline(ctx))
		sight.Set(true)
		is("told to be offline", client.NetworkOffline)
		ok(t, two.GoOnline(ctx))
		is("told to be online", client.NetworkOnline)
		sight.Set(false)
		time.Sleep(time.Minute)
		is("hidden again", client.NetworkOffline)
		ok(t, one.Destroy(ctx)) // without a word, as a tab that crashed
		time.Sleep(time.Minute)
		is("the only one", client.NetworkOnline)
		ok(t, two.Destroy(ctx))
	})
}
