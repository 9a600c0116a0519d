//go:build !js

package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/signal/wssignal"
	"github.com/echospace/echospace/core/space/spacetest"
	"github.com/echospace/echospace/core/transport/ws"
)

var (
	serveAt          = flag.String("client.serve", "", "URL of a relay: BenchmarkServe has an old space at hand there, for a page to join")
	serveMembers     = flag.Int("client.members", 1000, "members of the space of BenchmarkServe")
	serveCredentials = flag.Int("client.credentials", 5000, "credentials of the space of BenchmarkServe")
)

// BenchmarkServe lets somebody join an old space over a real relay: it prints what an
// invitation says, and ends with its standard input.
func BenchmarkServe(b *testing.B) {
	if *serveAt == "" {
		b.Skip("run by web/test/trust.mjs")
	}
	ctx, p := context.Background(), newProfile()
	relay := wssignal.New(wssignal.Options{Env: testEnv(), URL: *serveAt, Dial: ws.Dial})
	c := client.New(client.Ports{
		Env:       testEnv(),
		OpenStore: func(context.Context, func(error)) (client.Storage, error) { return p.storage(), nil },
		Relays: func(func()) []client.Relay {
			return []client.Relay{{
				Signaler: relay, Poke: relay.Poke,
				Status: func() client.RelayStatus { return client.RelayStatus{URL: *serveAt, State: client.RelayUp} },
			}}
		},
		Slot: p.slot, Tabs: p.tabs.join(), Device: client.DeviceProfile{Kind: "NATIVE"},
	})
	defer c.Destroy(ctx)
	ok(b, c.Initialize(ctx))
	_, err := c.CreateIdentity(ctx, "Ada")
	ok(b, err)
	self, err := c.Device()
	ok(b, err)
	ok(b, c.Adopt(ctx, spacetest.Old(b, testEnv(), self, *serveMembers, *serveCredentials)))
	inv, err := c.Spaces.Get()[0].CreateInvitation(client.InvitationOptions{})
	ok(b, err)
	v := inv.Value.Get()
	ok(b, json.NewEncoder(os.Stdout).Encode(map[string]string{"code": v.Code, "authCode": v.AuthCode}))
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
	}
}
