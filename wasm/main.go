//go:build js

package main

import (
	"context"
	"crypto/rand"
	"io"
	"syscall"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/signal/wssignal"
	"github.com/echospace/echospace/core/transport/rtc"
	"github.com/echospace/echospace/jsbridge/bind"
	"github.com/echospace/echospace/jsbridge/collector"
	"github.com/echospace/echospace/jsbridge/idbstore"
	"github.com/echospace/echospace/jsbridge/jsval"
	"github.com/echospace/echospace/jsbridge/tabs"
	"github.com/echospace/echospace/jsbridge/webkeys"
	"github.com/echospace/echospace/jsbridge/wsconn"
)

// readyName is where the page, before it runs the module, puts the function
// that takes the api object.
const readyName = "__echospace_ready"

// crashed is the exit code after a panic, which is also the Go runtime's own.
const crashed = 2

func main() {
	collector.Limit()
	collector.Warm()
	log := logger("")
	yielder, err := tabs.NewYielder()
	if err != nil {
		log.Error("long work will hold up the page", "err", err)
	}
	choose := func(o bind.Options) client.Ports {
		p := ports(o)
		if yielder != nil {
			p.Yield = yielder.Yield
		}
		return p
	}
	api := bind.Make(context.Background(), choose, onWake, func() { syscall.Exit(crashed) })
	if ready, ok := jsval.Global(readyName); ok {
		if _, err := ready.Invoke(api); err != nil {
			log.Error("the page's ready function failed", "err", err)
		}
	} else if err := safejs.Global().Set("echospace", api); err != nil {
		log.Error("the api object could not be handed over", "err", err)
	}
	select {} // the module lives as long as the page
}

// prefix names what belongs to Echospace among the page's databases and locks.
const prefix = "echospace:"

func ports(o bind.Options) client.Ports {
	e := env.Env{Clock: env.ClockFunc(time.Now), Rand: rand.Reader, Log: logger(o.LogLevel)}
	name := prefix + o.StorageName
	p := client.Ports{
		Env: e,
		OpenStore: func(ctx context.Context, lost func(error)) (client.Storage, error) {
			return open(ctx, e, name, o, lost)
		},
		Relays:     func(changed func()) []client.Relay { return relays(e, o.Relays, changed) },
		ICEServers: o.ICEServers,
		Slot:       func(ctx context.Context) (uint32, func(), error) { return tabs.AcquireSlot(ctx, name) },
		Lock:       func(ctx context.Context, lock string) (func(), error) { return tabs.Lock(ctx, name+"/"+lock) },
		Tabs:       &siblings{name: name, log: e.Log},
		Visible:    visible,
		Device:     o.Device,
	}
	if o.SnapshotAfter > 0 {
		p.Snapshots = client.Snapshots{Idle: time.Duration(o.SnapshotAfter) * time.Millisecond, Bytes: 1, Blocks: 1}
	}
	if _, ok := jsval.Global("RTCPeerConnection"); ok {
		p.Direct = rtc.New(rtc.Options{Clock: e.Clock, Log: e.Log})
	}
	return p
}

// open opens the profile's database.
func open(ctx context.Context, e env.Env, name string, o bind.Options, lost func(error)) (client.Storage, error) {
	store, err := idbstore.Open(ctx, name, idbstore.Options{Lost: lost})
	if err != nil {
		return client.Storage{}, err
	}
	ks, err := webkeys.New(e, store)
	if err != nil {
		return client.Storage{}, closeAnd(store, err)
	}
	storage := client.Storage{
		Store: store, Keys: keys.KeyStore(ks), Bulk: webkeys.Bulk{}, OpenRange: openRange(store),
		Destroy: func(ctx context.Context) error {
			if err := store.Close(); err != nil {
				return err
			}
			return idbstore.DeleteDatabase(ctx, name)
		},
	}
	if !o.SealDeviceKey {
		storage.Devices = ks.Devices()
	}
	if o.Persistent {
		storage.Persist = persist
	}
	return storage, nil
}

func closeAnd(c io.Closer, err error) error {
	_ = c.Close() // the first error says more
	return err
}

// persist asks the browser to keep the data under pressure.
func persist(ctx context.Context) bool {
	manager, ok := jsval.Global("navigator", "storage")
	if !ok {
		return false
	}
	promise, err := manager.Call("persist")
	if err != nil {
		return false
	}
	granted, err := jsval.Await(ctx, promise)
	if err != nil {
		return false
	}
	yes, err := granted.Bool()
	return err == nil && yes
}

// relays connects to each relay.
func relays(e env.Env, urls []string, changed func()) []client.Relay {
	list := make([]client.Relay, len(urls))
	for i, url := range urls {
		c := wssignal.New(wssignal.Options{Env: e, URL: url, Dial: wsconn.Dial, OnStatus: func(wssignal.Status) { changed() }})
		c.Connect() // the page shows how the relay is, also before there is a space
		list[i] = client.Relay{Signaler: c, Status: func() client.RelayStatus { return status(url, c.Status()) }, Poke: c.Poke}
	}
	return list
}

func status(url string, s wssignal.Status) client.RelayStatus {
	out := client.RelayStatus{URL: url, State: client.RelayConnecting, Attempts: s.Attempt, Err: s.Err}
	switch s.State {
	case wssignal.Up:
		out.State = client.RelayUp
	case wssignal.Waiting, wssignal.Suspended, wssignal.Closed:
		out.State = client.RelayDown
	}
	return out
}
