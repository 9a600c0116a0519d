//go:build js

package bind

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
)

// invitation binds an invitation, or gives the object that was made of it. Once
// it has ended only the page holds that object:
//
//	get(): {invitationId, kind, authMethod, authCode?, swarmKey, state, code,
//	        multiUse, persistent, delegated, timeout?, expires?, role?, spaceKey?,
//	        identityKey?, error?}
//	observe('value', callback); authenticate(code): Promise<void>; cancel(): Promise<void>
func (bc *boundClient) invitation(inv *client.Invitation) safejs.Value {
	bc.mu.Lock()
	v, ok := bc.invitations[inv]
	bc.mu.Unlock()
	if ok {
		return v
	}
	v = object()
	bc.mu.Lock()
	bc.invitations[inv] = v
	bc.mu.Unlock()
	inv.Value.Subscribe(func(i client.InvitationValue) {
		if i.Ended {
			bc.mu.Lock()
			delete(bc.invitations, inv)
			bc.mu.Unlock()
		}
	})
	bc.method(v, "get", func(arguments) (any, error) { return invitationValue(inv.Value.Get()), nil })
	bc.async(v, "cancel", func(ctx context.Context, _ arguments) (any, error) { return nil, inv.Cancel(ctx) })
	bc.async(v, "authenticate", func(ctx context.Context, args arguments) (any, error) {
		code, err := args.text("authenticate", 0)
		if err != nil {
			return nil, err
		}
		return nil, inv.Authenticate(ctx, code)
	})
	bc.observables(v, map[string]func(func(any)) func(){
		"value": func(f func(any)) func() {
			return inv.Value.Subscribe(func(i client.InvitationValue) { f(invitationValue(i)) })
		},
	})
	return v
}

func invitationValue(i client.InvitationValue) safejs.Value {
	o := object()
	set(o, "invitationId", i.ID.String())
	set(o, "kind", i.Kind.String())
	set(o, "authMethod", i.Auth.String())
	set(o, "authCode", undefinedIfEmpty(i.AuthCode))
	set(o, "swarmKey", i.SwarmKey[:])
	set(o, "state", i.State.String())
	set(o, "code", i.Code)
	set(o, "multiUse", i.MultiUse)
	set(o, "persistent", i.Persistent)
	set(o, "delegated", i.Delegated)
	if i.Timeout > 0 {
		set(o, "timeout", i.Timeout.Milliseconds())
	}
	if i.Expires > 0 {
		set(o, "expires", float64(i.Expires))
	}
	if i.Role != 0 {
		set(o, "role", i.Role.String())
	}
	if i.Space != nil {
		set(o, "spaceKey", i.Space[:])
	}
	if i.Identity != nil {
		set(o, "identityKey", i.Identity[:])
	}
	setError(o, i.Err)
	return o
}

func (bc *boundClient) invitationsValue(list []*client.Invitation) safejs.Value {
	items := make([]safejs.Value, len(list))
	for i, inv := range list {
		items[i] = bc.invitation(inv)
	}
	return array(items)
}

// offers binds a function that makes an invitation.
func (bc *boundClient) offers(v safejs.Value, name, op string, f func(client.InvitationOptions) (*client.Invitation, error)) {
	bc.method(v, name, func(args arguments) (any, error) {
		o, err := invitationOptions(op, args.at(0))
		if err != nil {
			return nil, err
		}
		inv, err := f(o)
		if err != nil {
			return nil, err
		}
		return bc.invitation(inv), nil
	})
}
