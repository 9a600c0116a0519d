package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// told is all that a log and errors have said.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *told) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// fails notes an error, which there must be, with its details and all that it wraps.
func (l *told) fails(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("there is no error")
	}
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(l, "%v %q\n", err, err)
		if e, ok := err.(*errs.Error); ok {
			fmt.Fprintf(l, "%+v %#v\n", *e, *e)
		}
	}
}

// secretsOf gives the secrets in a keyring: the keys in its records, and the first that
// its records are, whole.
func secretsOf(t *testing.T, p *profile, u keys.Unlock) map[string][]byte {
	t.Helper()
	ring, err := keys.UnlockKeyring(context.Background(), testEnv(), p.keys, p.store, keys.KeyringOptions{Unlock: u})
	ok(t, err)
	records, err := ring.List(context.Background(), "")
	ok(t, err)
	all := map[string][]byte{}
	for name, b := range records {
		all["record "+name] = b
		switch {
		case name == "identity":
			r := wire.NewReader(b)
			var identity, device, sealing [32]byte
			r.ArrayLen(6)
			version := r.Uint(9)
			r.Fixed(identity[:])
			r.Fixed(device[:])
			r.Fixed(sealing[:])
			ok(t, r.Err())
			all["sealing key"] = sealing[:]
			if version == 1 {
				all["device key"] = device[:]
			}
		case name == "halo" || strings.HasPrefix(name, "space/"):
			rec, err := space.DecodeRecord(b)
			ok(t, err)
			all[name+" swarm"] = rec.Secrets.Swarm[:]
			for i, list := range [][]keys.Secret{rec.Secrets.Controls, rec.Secrets.Epochs} {
				for j, k := range list {
					all[fmt.Sprint(name, " key ", i, j)] = k[:]
				}
			}
		}
	}
	return all
}

// forms are how a secret could be written.
func forms(secret []byte) (list []string) {
	decimal := strings.Trim(fmt.Sprint(secret), "[]")
	return []string{
		string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
		base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
		decimal, strings.ReplaceAll(decimal, " ", ", "), fmt.Sprintf("%#v", secret), fmt.Sprintf("%q", secret),
	}
}

// TestSecrets_neverTold has clients go through what they do, and through what goes wrong
// with it, with everything logged: no secret is in the log or in an error.
func TestSecrets_neverTold(t *testing.T) {
	l := &told{}
	w, ctx := newWorld(t), context.Background()
	w.log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secrets := map[string][]byte{}
	keep := func(whose string, more map[string][]byte) {
		for name, s := range more {
			secrets[whose+" "+name] = s
		}
	}
	passphrase := []byte("correct horse battery")
	keep("the", map[string][]byte{"passphrase": passphrase, "other passphrase": []byte("staple of paper")})
	unlock := func() keys.Unlock { return keys.Unlock{Passphrase: bytes.Clone(passphrase)} }

	pa, pb := newProfile(), newProfile()
	ada := w.client(pa)
	ok(t, ada.Unlock(ctx, unlock()))
	_, err := ada.CreateIdentity(ctx, "Ada")
	ok(t, err)
	bob := w.open(pb)
	_, err = bob.CreateIdentity(ctx, "Bob")
	ok(t, err)
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)

	inv, err := sp.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	v := inv.Value.Get()
	keep("the invitation's", map[string][]byte{"swarm key": v.SwarmKey[:]})
	g, err := bob.AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	l.fails(t, guess(g, v.AuthCode))
	ok(t, g.Authenticate(ctx, v.AuthCode))
	other := bob.Space(sp.Key())
	delegated, err := sp.CreateInvitation(client.InvitationOptions{Delegated: true, MultiUse: true})
	ok(t, err)
	keep("the delegated invitation's", map[string][]byte{"auth code": []byte(delegated.Value.Get().AuthCode)})

	pb.devices.failWith(errors.New("no"))
	put(t, other, "title", "x")
	l.fails(t, other.Flush(ctx, client.FlushStore))
	pb.devices.failWith(nil)
	ok(t, other.Flush(ctx, client.FlushPeer))
	pc := newProfile()
	w.deviceOn(pc, ada)
	keep("Ada's first", secretsOf(t, pa, unlock()))
	keep("Bob's", secretsOf(t, pb, keys.Unlock{}))
	eventually(t, "Bob has the role", func() bool { return ada.Identity.Get() != nil && isMember(sp, me(bob)) })
	ok(t, sp.SetRole(ctx, me(bob), credential.Reader))
	ok(t, sp.RemoveMember(ctx, me(bob)))
	ok(t, ada.SetPassphrase(ctx, []byte("staple of paper")))
	ok(t, ada.SetPassphrase(ctx, bytes.Clone(passphrase)))
	keep("Ada's", secretsOf(t, pa, unlock()))
	keep("Ada's other device's", secretsOf(t, pc, keys.Unlock{}))
	for device, k := range pb.devices.keys {
		seed := k.Seed()
		keep(fmt.Sprintf("%x", device[:4]), map[string][]byte{"handle": seed[:]})
	}
	ok(t, ada.Destroy(ctx))

	l.fails(t, w.client(pa).Initialize(ctx))
	l.fails(t, w.client(pa).Unlock(ctx, keys.Unlock{Passphrase: []byte("staple of paper")}))
	entries, err := pa.store.Scan(ctx, storage.Range{}, 0)
	ok(t, err)
	for _, e := range entries {
		if !bytes.HasPrefix(e.Key, []byte("k/")) {
			continue
		}
		for _, spoilt := range [][]byte{nil, e.Value[:len(e.Value)/2], flipped(e.Value, 8*len(e.Value)-1)} {
			var b storage.Batch
			b.Put(e.Key, spoilt)
			ok(t, pa.store.Apply(ctx, &b, storage.Strict))
			if c := w.client(pa); c.Unlock(ctx, unlock()) != nil {
				l.fails(t, c.Status.Get().Err)
			}
			b.Reset()
			b.Put(e.Key, e.Value)
			ok(t, pa.store.Apply(ctx, &b, storage.Strict))
		}
	}
	spoilRecords(t, w, l, pa, unlock)

	l.mu.Lock()
	defer l.mu.Unlock()
	said := l.text.String()
	if len(secrets) < 20 || strings.Count(said, "\n") < 50 {
		t.Fatalf("%d secrets, a log of %d lines: the test proves nothing", len(secrets), strings.Count(said, "\n"))
	}
	for name, s := range secrets {
		for _, form := range forms(s) {
			if at := strings.Index(said, form); at >= 0 {
				t.Errorf("%s is told: %s", name, said[max(0, at-200):at])
			}
		}
	}
}

// spoilRecords has the records of a keyring say what they must not, under the right key.
func spoilRecords(t *testing.T, w *world, l *told, p *profile, unlock func() keys.Unlock) {
	t.Helper()
	ctx := context.Background()
	ring, err := keys.UnlockKeyring(ctx, testEnv(), p.keys, p.store, keys.KeyringOptions{Unlock: unlock()})
	ok(t, err)
	records, err := ring.List(ctx, "")
	ok(t, err)
	for name, plain := range records {
		for _, spoilt := range [][]byte{plain[:len(plain)-1], append(bytes.Clone(plain), 0), append([]byte{plain[0], 77}, plain[2:]...)} {
			var b storage.Batch
			ring.Put(&b, name, bytes.Clone(spoilt))
			ok(t, p.store.Apply(ctx, &b, storage.Strict))
			if c := w.client(p); c.Unlock(ctx, unlock()) != nil {
				l.fails(t, c.Status.Get().Err)
			}
		}
		var b storage.Batch
		ring.Put(&b, name, bytes.Clone(plain))
		ok(t, p.store.Apply(ctx, &b, storage.Strict))
	}
}
