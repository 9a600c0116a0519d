//go:build js

package bind

import (
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// milliseconds reads a duration from a number property; zero if it is absent.
func milliseconds(o safejs.Value, name string) time.Duration {
	if !jsval.Is(o, safejs.TypeObject) {
		return 0
	}
	return time.Duration(jsval.Int(o, name)) * time.Millisecond
}

// setError sets the property error to err, or leaves it out.
func setError(o safejs.Value, err error) {
	if err != nil {
		set(o, "error", jsval.FromError(err))
	}
}

// statusValue is {state, error?, storage: {persistent, passphrase, passkeys}}.
func statusValue(s client.Status) safejs.Value {
	o, storage := object(), object()
	set(storage, "persistent", s.Persistent)
	set(storage, "passphrase", s.Passphrase)
	set(storage, "passkeys", s.Passkeys)
	set(o, "state", string(s.State))
	set(o, "storage", storage)
	setError(o, s.Err)
	return o
}

// networkValue is {state, relay: [{url, state, attempts, error?}], peers:
// [{spaceKey, identityKey, deviceKey, path}]}.
func networkValue(n client.Network) safejs.Value {
	relays := make([]safejs.Value, len(n.Relays))
	for i, r := range n.Relays {
		v := object()
		set(v, "url", r.URL)
		set(v, "state", string(r.State))
		set(v, "attempts", r.Attempts)
		setError(v, r.Err)
		relays[i] = v
	}
	peers := make([]safejs.Value, len(n.Peers))
	for i, p := range n.Peers {
		v := object()
		set(v, "spaceKey", p.Space[:])
		set(v, "identityKey", p.Identity[:])
		set(v, "deviceKey", p.Device[:])
		set(v, "path", p.Path.String())
		peers[i] = v
	}
	o := object()
	set(o, "state", string(n.State))
	set(o, "relay", array(relays))
	set(o, "peers", array(peers))
	return o
}

// identityValue is {identityKey, deviceKey, displayName?}, or null.
func identityValue(i *client.Identity) safejs.Value {
	if i == nil {
		return safejs.Null()
	}
	o := object()
	set(o, "identityKey", i.Key[:])
	set(o, "deviceKey", i.Device[:])
	set(o, "displayName", undefinedIfEmpty(i.Name))
	return o
}

// devicesValue is [{deviceKey, label, kind, current, online, keyStorage?}].
func devicesValue(list []client.Device) safejs.Value {
	items := make([]safejs.Value, len(list))
	for i, d := range list {
		o := object()
		set(o, "deviceKey", d.Key[:])
		set(o, "label", d.Label)
		set(o, "kind", d.Kind)
		set(o, "current", d.Current)
		set(o, "online", d.Online)
		if d.Current {
			set(o, "keyStorage", string(d.KeyStorage))
		}
		items[i] = o
	}
	return array(items)
}

// syncValue is {peers: [{behind, ahead, stored}], unsent, error?}.
func syncValue(s client.SyncState) safejs.Value {
	peers := make([]safejs.Value, len(s.Peers))
	for i, p := range s.Peers {
		v := object()
		set(v, "behind", float64(p.Behind))
		set(v, "ahead", float64(p.Ahead))
		set(v, "stored", p.Stored)
		peers[i] = v
	}
	o := object()
	set(o, "peers", array(peers))
	set(o, "unsent", float64(s.Unsent))
	setError(o, s.Err)
	return o
}
