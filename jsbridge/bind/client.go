//go:build js

package bind

import (
	"context"
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/jsbridge/hotpath"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// Options of createClient, read from {relay: string[], iceServers, storageName,
// persistent, sealDeviceKey, log, device: {label, kind}}.
type Options struct {
	Relays      []string
	ICEServers  []transport.ICEServer
	StorageName string
	Persistent  bool
	// SealDeviceKey has the key of a device that is made kept in the keyring.
	SealDeviceKey bool
	LogLevel      string
	Device        client.DeviceProfile
	// SnapshotAfter, if it is not 0, is how many milliseconds a space is left alone
	// before whatever is new goes into a snapshot.
	SnapshotAfter int
}

// Make gives the api object: version, createClient(options), verifyPresentation(bytes,
// options), and functions(), the number of functions made here that the page still holds. ports chooses
// the technology for one client; wake registers what is called when the network
// or the page comes back; exit ends the module after a crash.
func Make(ctx context.Context, ports func(Options) client.Ports, wake func(func()) (release func()), exit func()) safejs.Value {
	api := object()
	promises := &jsval.Promises{}
	functions, err := jsval.NewFunctions()
	if err != nil {
		panic(err) // a browser without FinalizationRegistry, which is older than any that runs the module
	}
	s := &scope{ctx: ctx, promises: promises, functions: functions}
	b := &binder{scope: s, ports: ports, wake: wake, exit: exit}
	promises.OnCrash = func(err *errs.Error) { b.crashed(err) }
	hotpath.OnCrash(func(err error) { promises.Crash(err) })
	set(api, "version", client.Version)
	s.method(api, "functions", func(arguments) (any, error) { return functions.Live(), nil })
	s.method(api, "verifyPresentation", verifyPresentation)
	s.method(api, "createClient", func(args arguments) (any, error) {
		return b.client(readOptions(args.at(0))), nil
	})
	return api
}

type binder struct {
	*scope
	ports func(Options) client.Ports
	wake  func(func()) (release func())
	exit  func()

	mu      sync.Mutex
	clients []*client.Client
}

// crashed tells every client's observers and ends the module: what a panic left
// behind must not be stored or sent. By then every Promise is rejected.
func (b *binder) crashed(err error) {
	b.mu.Lock()
	list := b.clients
	b.mu.Unlock()
	for _, c := range list {
		c.Status.Set(client.Status{State: client.StateCrashed, Err: err})
	}
	go b.exit() // after the call from JavaScript that met the panic has its answer
}

func readOptions(o safejs.Value) Options {
	opts := Options{
		StorageName: jsval.String(o, "storageName"),
		Persistent:  jsval.Bool(o, "persistent"),
		LogLevel:    jsval.String(o, "log"),
		Relays:      stringsAt(o, "relay"),

		SealDeviceKey: jsval.Bool(o, "sealDeviceKey"),
		SnapshotAfter: jsval.Int(o, "snapshotAfter"),
	}
	if d, err := o.Get("device"); err == nil && jsval.Is(d, safejs.TypeObject) {
		opts.Device = client.DeviceProfile{Label: jsval.String(d, "label"), Kind: jsval.String(d, "kind")}
	}
	for _, v := range itemsAt(o, "iceServers") {
		opts.ICEServers = append(opts.ICEServers, transport.ICEServer{
			URLs: stringsAt(v, "urls"), Username: jsval.String(v, "username"), Credential: jsval.String(v, "credential"),
		})
	}
	return opts
}

// itemsAt gives the items of an array property; none for anything else.
func itemsAt(o safejs.Value, name string) (items []safejs.Value) {
	if !jsval.Is(o, safejs.TypeObject) {
		return nil
	}
	list, err := o.Get(name)
	if err != nil || !jsval.Is(list, safejs.TypeObject) {
		return nil
	}
	n, err := list.Length()
	if err != nil {
		return nil
	}
	for i := range n {
		if v, err := list.Index(i); err == nil {
			items = append(items, v)
		}
	}
	return items
}

// stringsAt gives the strings of an array property, or the one string it is.
func stringsAt(o safejs.Value, name string) (out []string) {
	if s := jsval.String(o, name); s != "" {
		return []string{s}
	}
	for _, v := range itemsAt(o, name) {
		if jsval.Is(v, safejs.TypeString) {
			if s, err := v.String(); err == nil {
				out = append(out, s)
			}
		}
	}
	return out
}

// boundClient is one client and the objects that were made of its spaces and
// invitations, so that the same one has the same object.
type boundClient struct {
	*scope
	c *client.Client

	mu          sync.Mutex
	sleep       func() // ends what keepAwake began; nil while the client is closed
	spaces      map[*client.Space]safejs.Value
	invitations map[*client.Invitation]safejs.Value
}

// client binds a new Client:
//
//	initialize({passphrase, askPasskey}): Promise<void>, see readUnlock
//	destroy() reset() goOffline() goOnline(): Promise<void>
//	createIdentity({displayName}), updateProfile({displayName}): Promise<{identityKey, displayName}>
//	createSpace(), importSpace(archive bytes): Promise<Space>
//	updateDevice({label, kind}): Promise<void>; removeDevice(device): Promise<void>
//	acceptInvitation(code, {timeout}), acceptDeviceInvitation(code, {timeout}): Invitation
//	createDeviceInvitation({authMethod, multiUse, persistent, timeout, expires}): Invitation
//	presentCredentials({ids, nonce, audience, lifetime}): Promise<bytes>
//	observe('status' | 'network' | 'identity' | 'devices' | 'contacts' | 'invitations' |
//	        'spaces' | 'credentials', callback)
func (b *binder) client(o Options) safejs.Value {
	ports := b.ports(o)
	ports.Crashed = func(reason any) { b.promises.Crash(reason) }
	c := client.New(ports)
	b.mu.Lock()
	b.clients = append(b.clients, c)
	b.mu.Unlock()
	bc := &boundClient{
		scope: b.scope, c: c,
		spaces: map[*client.Space]safejs.Value{}, invitations: map[*client.Invitation]safejs.Value{},
	}
	v := object()
	bc.async(v, "initialize", func(ctx context.Context, args arguments) (any, error) {
		u, err := readUnlock(args.at(0))
		if err != nil {
			return nil, err
		}
		defer clear(u.Passphrase)
		if err := c.Unlock(ctx, u); err != nil {
			return nil, err
		}
		bc.keepAwake(b.wake)
		return nil, nil
	})
	bc.locking(v, c)
	for name, f := range map[string]func(context.Context) error{
		"destroy": bc.destroy, "reset": bc.reset, "goOffline": c.GoOffline, "goOnline": c.GoOnline,
	} {
		bc.async(v, name, func(ctx context.Context, _ arguments) (any, error) { return nil, f(ctx) })
	}
	for name, f := range map[string]func(context.Context, string) (*client.Identity, error){
		"createIdentity": c.CreateIdentity, "updateProfile": c.UpdateProfile,
	} {
		bc.async(v, name, func(ctx context.Context, args arguments) (any, error) {
			who, err := f(ctx, jsval.String(args.at(0), "displayName"))
			if err != nil {
				return nil, err
			}
			return identityValue(who), nil
		})
	}
	bc.async(v, "createSpace", func(ctx context.Context, _ arguments) (any, error) {
		sp, err := c.CreateSpace(ctx)
		if err != nil {
			return nil, err
		}
		return bc.space(sp), nil
	})
	bc.async(v, "importSpace", func(ctx context.Context, args arguments) (any, error) {
		archive, err := jsval.Bytes(args.at(0))
		if err != nil {
			return nil, err
		}
		sp, err := c.ImportSpace(ctx, archive)
		if err != nil {
			return nil, err
		}
		return bc.space(sp), nil
	})
	for name, f := range map[string]func(string, client.AcceptOptions) (*client.Invitation, error){
		"acceptInvitation": c.AcceptInvitation, "acceptDeviceInvitation": c.AcceptDeviceInvitation,
	} {
		bc.method(v, name, func(args arguments) (any, error) {
			code, err := args.text("acceptInvitation", 0)
			if err != nil {
				return nil, err
			}
			inv, err := f(code, client.AcceptOptions{Timeout: milliseconds(args.at(1), "timeout")})
			if err != nil {
				return nil, err
			}
			return bc.invitation(inv), nil
		})
	}
	bc.bindCredentials(v)
	bc.bindRecovery(v)
	bc.offers(v, "createDeviceInvitation", "halo.createInvitation", c.CreateDeviceInvitation)
	bc.async(v, "removeDevice", func(ctx context.Context, args arguments) (any, error) {
		key, err := identityKey("halo.removeDevice", args.at(0))
		if err != nil {
			return nil, err
		}
		return nil, bc.c.RemoveDevice(ctx, id.DeviceKey(key))
	})
	bc.async(v, "updateDevice", func(ctx context.Context, args arguments) (any, error) {
		return nil, c.UpdateDevice(ctx, textAt(args.at(0), "label"), textAt(args.at(0), "kind"))
	})
	bc.observables(v, map[string]func(func(any)) func(){
		"credentials": func(f func(any)) func() {
			return c.Trust.Subscribe(func(*credential.Membership) { f(credentialsValue(c.Credentials())) })
		},
		"status":  func(f func(any)) func() { return c.Status.Subscribe(func(s client.Status) { f(statusValue(s)) }) },
		"network": func(f func(any)) func() { return c.Network.Subscribe(func(n client.Network) { f(networkValue(n)) }) },
		"identity": func(f func(any)) func() {
			return c.Identity.Subscribe(func(i *client.Identity) { f(identityValue(i)) })
		},
		"devices": func(f func(any)) func() { return c.Devices.Subscribe(func(d []client.Device) { f(devicesValue(d)) }) },
		"recovery": func(f func(any)) func() {
			return c.Recovery.Subscribe(func(r client.Recovery) { f(recoveryValue(r)) })
		},
		"contacts": func(f func(any)) func() {
			return c.Contacts.Subscribe(func(list []client.Contact) { f(contactsValue(list)) })
		},
		"invitations": func(f func(any)) func() {
			return c.Invitations.Subscribe(func(list []*client.Invitation) { f(bc.invitationsValue(list)) })
		},
		"spaces": func(f func(any)) func() {
			return c.Spaces.Subscribe(func(list []*client.Space) {
				items := make([]safejs.Value, len(list))
				for i, sp := range list {
					items[i] = bc.space(sp)
				}
				f(array(items))
			})
		},
	})
	return v
}

// textAt is a text property; nil for anything else.
func textAt(o safejs.Value, name string) *string {
	if !jsval.Is(o, safejs.TypeObject) {
		return nil
	}
	v, err := o.Get(name)
	if err != nil || !jsval.Is(v, safejs.TypeString) {
		return nil
	}
	s := jsval.String(o, name)
	return &s
}

// keepAwake has the client told when the network or the page is back.
func (bc *boundClient) keepAwake(wake func(func()) func()) {
	bc.mu.Lock()
	defer bc.mu.Unlock()
	if bc.sleep == nil {
		bc.sleep = wake(bc.c.Wake)
	}
}

func (bc *boundClient) destroy(ctx context.Context) error {
	err := bc.c.Destroy(ctx)
	bc.forget()
	return err
}

func (bc *boundClient) reset(ctx context.Context) error {
	err := bc.c.Reset(ctx)
	bc.forget()
	return err
}

// forget lets go of the page's events and gives back the handles of spaces that
// are gone.
func (bc *boundClient) forget() {
	bc.mu.Lock()
	defer bc.mu.Unlock()
	if bc.sleep != nil {
		bc.sleep()
		bc.sleep = nil
	}
	for sp, v := range bc.spaces {
		hotpath.Release(jsval.Int(v, "handle"))
		delete(bc.spaces, sp)
	}
	clear(bc.invitations)
}
