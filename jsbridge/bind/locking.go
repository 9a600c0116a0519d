//go:build js

package bind

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// locking binds what opens the profile:
//
//	setPassphrase(bytes, or nothing to remove it), addPasskey(credential, salt, secret),
//	removePasskeys(): Promise<void>
func (s *scope) locking(v safejs.Value, c *client.Client) {
	s.async(v, "setPassphrase", func(ctx context.Context, args arguments) (any, error) {
		passphrase, err := passphraseOf(args.at(0))
		if err != nil {
			return nil, err
		}
		defer clear(passphrase)
		return nil, c.SetPassphrase(ctx, passphrase)
	})
	s.async(v, "addPasskey", func(ctx context.Context, args arguments) (any, error) {
		var b [3][]byte
		for i := range b {
			var err error
			if b[i], err = jsval.Bytes(args.at(i)); err != nil {
				return nil, err
			}
		}
		defer clear(b[2])
		return nil, c.AddPasskey(ctx, keys.Passkey{Credential: b[0], Salt: b[1]}, b[2])
	})
	s.async(v, "removePasskeys", func(ctx context.Context, _ arguments) (any, error) { return nil, c.RemovePasskeys(ctx) })
}

// passphraseOf reads a passphrase: bytes, or nothing for none.
func passphraseOf(v safejs.Value) ([]byte, error) {
	if v.IsUndefined() || v.IsNull() {
		return nil, nil
	}
	b, err := jsval.Bytes(v)
	if err == nil && len(b) == 0 {
		err = errs.New("passphrase", errs.InvalidArgument, "the passphrase is empty; leave it out for none")
	}
	return b, err
}

// readUnlock reads {passphrase: bytes, askPasskey: ([{credential, salt}]) => Promise<bytes>},
// all of it optional.
func readUnlock(o safejs.Value) (u keys.Unlock, err error) {
	if !jsval.Is(o, safejs.TypeObject) {
		return u, nil
	}
	v, err := o.Get("passphrase")
	if err == nil {
		u.Passphrase, err = passphraseOf(v)
	}
	if err != nil {
		return u, err
	}
	if ask, err := o.Get("askPasskey"); err == nil && jsval.Is(ask, safejs.TypeFunction) {
		u.AskPasskey = func(ctx context.Context, among []keys.Passkey) ([]byte, error) { return askPasskey(ctx, ask, among) }
	}
	return u, nil
}

func askPasskey(ctx context.Context, ask safejs.Value, among []keys.Passkey) ([]byte, error) {
	items := make([]safejs.Value, len(among))
	for i, p := range among {
		items[i] = object()
		set(items[i], "credential", p.Credential)
		set(items[i], "salt", p.Salt)
	}
	answer, err := ask.Invoke(array(items))
	if err != nil {
		return nil, jsval.Error("client.initialize", errs.Internal, err)
	}
	if answer, err = jsval.Await(ctx, answer); err != nil {
		return nil, err
	}
	return jsval.Bytes(answer)
}
