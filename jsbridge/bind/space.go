//go:build js

package bind

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/jsbridge/hotpath"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// space binds a space, or gives the object that was made of it:
//
//	key: Uint8Array; id: string; handle: number (for the exports of hotpath)
//	createInvitation({authMethod, guestKey, multiUse, persistent, delegated, timeout, expires,
//	role}): Invitation
//	setRole(identity, role), removeMember(identity), leave(), delete(): Promise<void>
//	postMessage(channel, bytes): Promise<void>; listen(channel, callback({data, from})): stop
//	waitUntilReady(), open(), close(): Promise<void>; flush({to, timeout}): Promise<void>
//	flushThen(done(error | null)): flush({}) without a Promise
//	export({history}): Promise<Uint8Array>
//	add, get, update, remove, restore, query, onChange: see objects.go
//	version, at, releasePast, history, diff, restoreTo, blame: see past.go
//	audit(): see auditValue
//	observe('state' | 'members' | 'invitations' | 'sync' | 'audit', callback)
func (bc *boundClient) space(sp *client.Space) safejs.Value {
	bc.mu.Lock()
	v, ok := bc.spaces[sp]
	bc.mu.Unlock()
	if ok {
		return v
	}
	v = object()
	key := sp.Key()
	set(v, "key", key[:])
	set(v, "id", key.String())
	set(v, "handle", hotpath.Register(sp))
	bc.mu.Lock()
	bc.spaces[sp] = v
	bc.mu.Unlock()
	bc.spaceMessages(v, sp)
	bc.bindObjects(v, sp)
	bc.bindPast(v, sp)
	bc.async(v, "open", func(ctx context.Context, _ arguments) (any, error) { return nil, sp.Open(ctx) })
	bc.async(v, "close", func(ctx context.Context, _ arguments) (any, error) { return nil, sp.Close(ctx) })
	bc.spaceRights(v, sp)
	bc.async(v, "waitUntilReady", func(ctx context.Context, _ arguments) (any, error) { return nil, sp.WaitUntilReady(ctx) })
	bc.async(v, "flush", func(ctx context.Context, args arguments) (any, error) {
		to, err := flushTarget(args.at(0))
		if err != nil {
			return nil, err
		}
		if d := milliseconds(args.at(0), "timeout"); d > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d)
			defer cancel()
		}
		return nil, sp.Flush(ctx, to)
	})
	bc.method(v, "flushThen", func(args arguments) (any, error) {
		done, err := args.callback("space.flush", 0)
		if err != nil {
			return nil, err
		}
		sp.FlushThen(func(err error) { bc.call(done, jsval.FromError(err)) })
		return nil, nil
	})
	bc.async(v, "export", func(ctx context.Context, args arguments) (any, error) {
		return sp.Export(ctx, client.ExportOptions{History: jsval.Bool(args.at(0), "history")})
	})
	bc.offers(v, "createInvitation", "space.createInvitation", sp.CreateInvitation)
	bc.method(v, "audit", func(arguments) (any, error) {
		log, err := sp.Audit()
		if err != nil {
			return nil, err
		}
		return auditValue(log), nil
	})
	bc.observables(v, map[string]func(func(any)) func(){
		"audit": func(f func(any)) func() {
			return sp.Trust.Subscribe(func(*credential.Membership) {
				if log, err := sp.Audit(); err == nil { // else it is closed, and the last log stands
					f(auditValue(log))
				}
			})
		},
		"state":   func(f func(any)) func() { return sp.State.Subscribe(func(s client.SpaceState) { f(string(s)) }) },
		"members": func(f func(any)) func() { return sp.Members.Subscribe(func(m []client.Member) { f(membersValue(m)) }) },
		"sync":    func(f func(any)) func() { return sp.Sync.Subscribe(func(s client.SyncState) { f(syncValue(s)) }) },
		"invitations": func(f func(any)) func() {
			return sp.Invitations.Subscribe(func(list []*client.Invitation) { f(bc.invitationsValue(list)) })
		},
	})
	return v
}

// spaceRights binds what is done to members, who are named by 32 bytes.
func (bc *boundClient) spaceRights(v safejs.Value, sp *client.Space) {
	bc.async(v, "setRole", func(ctx context.Context, args arguments) (any, error) {
		who, err := identityKey("space.setRole", args.at(0))
		if err != nil {
			return nil, err
		}
		name, err := args.text("space.setRole", 1)
		if err != nil {
			return nil, err
		}
		role, err := credential.ParseRole(name)
		if err != nil {
			return nil, err
		}
		return nil, sp.SetRole(ctx, who, role)
	})
	bc.async(v, "removeMember", func(ctx context.Context, args arguments) (any, error) {
		who, err := identityKey("space.removeMember", args.at(0))
		if err != nil {
			return nil, err
		}
		return nil, sp.RemoveMember(ctx, who)
	})
	bc.async(v, "leave", func(ctx context.Context, _ arguments) (any, error) { return nil, sp.Leave(ctx) })
	bc.async(v, "delete", func(ctx context.Context, _ arguments) (any, error) { return nil, sp.Delete(ctx) })
}

func identityKey(op string, v safejs.Value) (who id.IdentityKey, err error) {
	b, err := jsval.Bytes(v)
	if err == nil && len(b) != len(who) {
		err = errs.New(op, errs.InvalidArgument, "an identity key has %d bytes, not %d", len(who), len(b))
	}
	copy(who[:], b)
	return who, err
}

func (bc *boundClient) spaceMessages(v safejs.Value, sp *client.Space) {
	bc.async(v, "postMessage", func(ctx context.Context, args arguments) (any, error) {
		channel, err := args.text("postMessage", 0)
		if err != nil {
			return nil, err
		}
		data, err := jsval.Bytes(args.at(1))
		if err != nil {
			return nil, err
		}
		return nil, sp.PostMessage(ctx, channel, data)
	})
	bc.method(v, "listen", func(args arguments) (any, error) {
		channel, err := args.text("listen", 0)
		if err != nil {
			return nil, err
		}
		cb, err := args.callback("listen", 1)
		if err != nil {
			return nil, err
		}
		return bc.unsubscriber(sp.Listen(channel, func(m client.ChannelMessage) {
			o := object()
			set(o, "data", m.Data)
			set(o, "from", m.From[:])
			bc.call(cb, o)
		})), nil
	})
}

func flushTarget(o safejs.Value) (client.FlushTarget, error) {
	to := ""
	if jsval.Is(o, safejs.TypeObject) {
		to = jsval.String(o, "to")
	}
	switch t := client.FlushTarget(to); t {
	case "":
		return client.FlushStore, nil
	case client.FlushStore, client.FlushDisk, client.FlushPeer:
		return t, nil
	}
	return "", errs.New("space.flush", errs.InvalidArgument, "to is %q, not 'store', 'disk' or 'peer'", to)
}

// invitationOptions reads {authMethod, guestKey, multiUse, persistent, delegated, timeout,
// expires, role}.
func invitationOptions(op string, o safejs.Value) (out client.InvitationOptions, err error) {
	if !jsval.Is(o, safejs.TypeObject) {
		return out, nil
	}
	switch method := jsval.String(o, "authMethod"); method {
	case "", "SHARED_SECRET":
	case "NONE":
		out.Auth = invite.None
	case "KNOWN_PUBLIC_KEY":
		out.Auth = invite.KnownPublicKey
	default:
		return out, errs.New(op, errs.InvalidArgument, "authMethod is %q, not 'NONE', 'SHARED_SECRET' or 'KNOWN_PUBLIC_KEY'", method)
	}
	if key, err := o.Get("guestKey"); err == nil && !key.IsUndefined() {
		b, err := jsval.Bytes(key)
		if err != nil || len(b) != 32 {
			return out, errs.New(op, errs.InvalidArgument, "guestKey is not a key of 32 bytes")
		}
		out.GuestKey = (*[32]byte)(b)
	}
	switch role := jsval.String(o, "role"); role {
	case "":
	default:
		if out.Role, err = credential.ParseRole(role); err != nil {
			return out, err
		}
	}
	out.MultiUse, out.Persistent = jsval.Bool(o, "multiUse"), jsval.Bool(o, "persistent")
	out.Delegated = jsval.Bool(o, "delegated")
	out.Timeout = milliseconds(o, "timeout")
	out.Expires = int64(number(o, "expires"))
	return out, nil
}

// number reads a number property that may exceed 32 bits; zero if absent.
func number(o safejs.Value, name string) float64 {
	v, err := o.Get(name)
	if err != nil || !jsval.Is(v, safejs.TypeNumber) {
		return 0
	}
	f, _ := v.Float()
	return f
}
