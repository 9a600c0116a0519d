//go:build js

package bind

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// verifyPresentation(bytes, {nonce, audience, now, trust: Uint8Array[]}) gives
// {identityKey, deviceKey, audience?, issued, expires, spaces: [{spaceKey, role}],
// credentials}.
func verifyPresentation(args arguments) (any, error) {
	b, err := jsval.Bytes(args.at(0))
	if err != nil {
		return nil, err
	}
	o := args.at(1)
	want := credential.Expected{Audience: jsval.String(o, "audience"), Now: int64(number(o, "now"))}
	if want.Nonce, err = bytesAt(o, "nonce"); err != nil {
		return nil, err
	}
	for _, v := range itemsAt(o, "trust") {
		key, err := jsval.Bytes(v)
		if err != nil || len(key) != 32 {
			return nil, errs.New("verifyPresentation", errs.InvalidArgument, "trust takes keys of 32 bytes")
		}
		want.Trust = append(want.Trust, [32]byte(key))
	}
	shown, err := credential.VerifyPresentation(b, want)
	if err != nil {
		return nil, err
	}
	v := object()
	set(v, "identityKey", shown.Identity[:])
	set(v, "deviceKey", shown.Device[:])
	set(v, "audience", undefinedIfEmpty(shown.Audience))
	set(v, "issued", float64(shown.Issued))
	set(v, "expires", float64(shown.Expires))
	spaces := make([]safejs.Value, len(shown.Spaces))
	for i, s := range shown.Spaces {
		spaces[i] = object()
		set(spaces[i], "spaceKey", s.Space[:])
		set(spaces[i], "role", s.Role.String())
	}
	set(v, "spaces", array(spaces))
	set(v, "credentials", credentialsValue(shown.Credentials))
	return v, nil
}

// bytesAt gives the bytes of a property that must be there.
func bytesAt(o safejs.Value, name string) ([]byte, error) {
	v, err := o.Get(name)
	var b []byte
	if err == nil {
		b, err = jsval.Bytes(v)
	}
	if err != nil {
		return nil, errs.New("bind", errs.InvalidArgument, "%s must be a Uint8Array or an ArrayBuffer", name)
	}
	return b, nil
}

// presentCredentials({ids: string[], nonce, audience, lifetime}): Promise<bytes>
func (bc *boundClient) bindCredentials(v safejs.Value) {
	bc.async(v, "presentCredentials", func(ctx context.Context, args arguments) (any, error) {
		a := args.at(0)
		o := client.PresentOptions{Audience: jsval.String(a, "audience"), Lifetime: milliseconds(a, "lifetime")}
		var err error
		if o.Nonce, err = bytesAt(a, "nonce"); err != nil {
			return nil, err
		}
		ids := arguments(itemsAt(a, "ids"))
		for i := range ids {
			text, err := ids.text("halo.presentCredentials", i)
			cid, ok := id.Parse[id.CredentialID](text)
			if err != nil || !ok {
				return nil, errs.New("halo.presentCredentials", errs.InvalidArgument, "id %d is not that of a credential", i)
			}
			o.IDs = append(o.IDs, cid)
		}
		return bc.c.PresentCredentials(ctx, o)
	})
}

// credentialsValue is [{id, type, issuer, subject?, time, spaceKey?, role?, displayName?,
// deviceKey?, bytes}].
func credentialsValue(list []credential.InSpace) safejs.Value {
	items := make([]safejs.Value, len(list))
	for i, c := range list {
		o := object()
		set(o, "id", c.ID().String())
		set(o, "type", credential.TypeName(c.Claim))
		set(o, "issuer", c.Issuer[:])
		set(o, "time", float64(c.Time))
		set(o, "bytes", c.Encode())
		if who, ok := credential.Subject(c.Claim); ok {
			set(o, "subject", who[:])
		}
		setKey(o, "spaceKey", c.Space)
		e, _ := credential.EntryOf(c.Claim)
		setEntry(o, e)
		items[i] = o
	}
	return array(items)
}

// auditValue is [{id, action, time, valid, by?, byName?, issuer, subject, subjectName?,
// role?, invitationId?, deviceKey?, text?}].
func auditValue(list []credential.AuditEntry) safejs.Value {
	items := make([]safejs.Value, len(list))
	for i, e := range list {
		o := object()
		set(o, "id", e.Credential.String())
		set(o, "action", string(e.Action))
		set(o, "time", float64(e.Time))
		set(o, "valid", e.Valid)
		setKey(o, "by", e.By)
		set(o, "byName", undefinedIfEmpty(e.ByName))
		set(o, "issuer", e.Issuer[:])
		set(o, "subject", e.Subject[:])
		set(o, "subjectName", undefinedIfEmpty(e.SubjectName))
		setEntry(o, e)
		items[i] = o
	}
	return array(items)
}

// setEntry sets what an entry has of its claim.
func setEntry(o safejs.Value, e credential.AuditEntry) {
	if e.Role != 0 {
		set(o, "role", e.Role.String())
	}
	if !id.IsZero(e.Invitation) {
		set(o, "invitationId", e.Invitation.String())
	}
	setKey(o, "deviceKey", e.Device)
	set(o, "text", undefinedIfEmpty(e.Text))
}

// setKey sets a key, unless it is zero.
func setKey[K id.SpaceKey | id.IdentityKey | id.DeviceKey](o safejs.Value, name string, key K) {
	if k := [32]byte(key); k != [32]byte{} {
		set(o, name, k[:])
	}
}
