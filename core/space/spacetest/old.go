package spacetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/wire"
)

// person is an identity with one device, which writes one control feed.
type person struct {
	identity id.IdentityKey
	device   id.DeviceKey
	signer   keys.Signer
	sealing  [32]byte
	chain    [][]byte
	further  []id.DeviceKey
	feed     *feed.SignedHeader
	head     feed.Ref
	blocks   [][]byte
}

// old is a space while it is made.
type old struct {
	tb      testing.TB
	env     env.Env
	owner   *person
	rec     space.Record
	people  []*person // in order of their first block
	genesis id.CredentialID
	// heads are what the next issuer knows, and before what the last one knew.
	heads, before []id.CredentialID
	last          feed.Ref
	issued        int
	all           []*credential.Credential
}

// Old makes a space that is owned by owner, as years leave it, with that many
// members and credentials: ten people rule it, members renamed themselves and took
// second devices, roles changed, a tenth as many again were removed, by ten at
// once, with new keys after each ten, and of every three credentials one was issued
// by somebody who had not heard of the one before. It is what a newcomer is
// handed, or who opens it finds in storage: the record, with the proof of the
// owner's device, and a control feed for everybody who ever issued something.
//
// What is sealed to others than owner is noise. The same numbers give the same
// people; the rest is drawn from e.
func Old(tb testing.TB, e env.Env, owner space.Self, members, credentials int) space.Admission {
	tb.Helper()
	o := &old{tb: tb, env: e, owner: &person{
		identity: owner.Identity, device: owner.Device, signer: owner.Signer, sealing: owner.Sealing.Public(), chain: owner.Chain,
	}}
	o.found()
	rulers := []*person{o.owner}
	var people []*person
	gone := members / 10
	for i := range members - 1 + gone {
		p, by, role := o.person(i), rulers[i%len(rulers)], credential.Editor
		if i < 9 {
			by, role = o.owner, []credential.Role{credential.Owner, credential.Admin, credential.Admin}[i%3]
			rulers = append(rulers, p)
		}
		o.write(by, false, o.admission(p, role))
		people = append(people, p)
	}
	stay, leave := people[:members-1], people[members-1:]
	seasons := (gone + 9) / 10
	changes := credentials - o.issued - gone - 2*seasons
	for i := range changes {
		if seasons > 0 && i%(changes/(seasons+1)+1) == 0 && len(leave) > 0 {
			n := min(10, len(leave))
			o.remove(rulers[i%len(rulers)], leave[:n], slices.Concat([]*person{o.owner}, stay, leave[n:]))
			leave = leave[n:]
		}
		o.change(i, stay, rulers)
	}
	m := credential.Evaluate(o.rec.Key, o.all)
	if n := len(m.Members()); n != members {
		tb.Fatalf("%d members, want %d", n, members)
	}
	var err error
	if o.rec.Proof, err = m.Proof(owner.Device); err != nil {
		tb.Fatal(err)
	}
	a := space.Admission{Record: o.rec}
	for _, p := range o.people {
		a.Controls = append(a.Controls, space.ControlFeed{Header: p.feed.Encode(), Blocks: p.blocks})
	}
	return a
}

// seed gives the key material of somebody by a number.
func seed(n int, use byte) [32]byte {
	s := [32]byte{31: use}
	binary.BigEndian.PutUint32(s[:], uint32(n))
	return s
}

func (o *old) person(n int) *person {
	root, device := keys.NewSigningKey(seed(n, 1)), keys.NewSigningKey(seed(n, 2))
	p := &person{identity: id.IdentityKey(root.Public()), device: id.DeviceKey(device.Public()), signer: device, sealing: keys.NewSealingKey(seed(n, 3)).Public()}
	c, err := credential.Issue(context.Background(), root, nil, 1, credential.Device{Identity: p.identity, Device: p.device, Sealing: p.sealing})
	o.ok(err)
	p.chain = [][]byte{c.Encode()}
	return p
}

func (o *old) admission(p *person, role credential.Role) credential.Claim {
	return credential.Member{Identity: p.identity, Role: role, Devices: p.chain, Name: fmt.Sprintf("member %x", p.identity[:3])}
}

func (o *old) ok(err error) {
	o.tb.Helper()
	if err != nil {
		o.tb.Fatal(err)
	}
}

// found writes the first block.
func (o *old) found() {
	founder := keys.NewSigningKey([32]byte(o.env.Bytes(32)))
	o.rec = space.Record{Key: id.SpaceKey(founder.Public()), Secrets: space.Secrets{
		Swarm: keys.NewSecret(o.env), Controls: []keys.Secret{keys.NewSecret(o.env)}, Epochs: []keys.Secret{keys.NewSecret(o.env)},
	}}
	first, err := credential.Issue(context.Background(), founder, nil, 1, credential.Genesis{
		Space: o.rec.Key, Identity: o.owner.identity, ControlKey: o.rec.Secrets.Controls[0].ID(),
	})
	o.ok(err)
	list := []*credential.Credential{first}
	for _, raw := range o.owner.chain {
		c, err := credential.Decode(raw)
		o.ok(err)
		list = append(list, c)
	}
	o.genesis = first.ID()
	for _, c := range list {
		o.heads = append(o.heads, c.ID())
	}
	o.issued, o.all = len(list), list
	o.seal(o.owner, list)
}

// change writes one of the things that happen every day.
func (o *old) change(i int, stay, rulers []*person) {
	p, by := stay[i%len(stay)], rulers[i%len(rulers)]
	beside := i%3 == 0
	switch i % 4 {
	case 0, 1:
		o.write(p, beside, credential.Profile{Identity: p.identity, Name: fmt.Sprint("name ", i)})
	case 2:
		sealing := keys.NewSealingKey(seed(i, 4)).Public()
		device := id.DeviceKey(keys.NewSigningKey(seed(i, 5)).Public())
		o.write(p, beside, credential.Device{Identity: p.identity, Device: device, Sealing: sealing, Label: "second"})
		p.further = append(p.further, device)
	default:
		who := stay[9+i%(len(stay)-9)]
		o.write(by, beside, credential.SetRole{Identity: who.identity, Role: credential.Editor + credential.Role(i/4%2)})
	}
}

// remove removes some, and brings new keys to those who stay, in one block.
func (o *old) remove(by *person, who, stay []*person) {
	var claims []credential.Claim
	for _, p := range who {
		claims = append(claims, credential.Remove{Identity: p.identity})
	}
	for _, list := range []*[]keys.Secret{&o.rec.Secrets.Controls, &o.rec.Secrets.Epochs} {
		before := (*list)[len(*list)-1]
		key := keys.NewSecret(o.env)
		claims = append(claims, o.epoch(key, before, list == &o.rec.Secrets.Controls, stay))
		*list = append(*list, key)
	}
	o.write(by, false, claims...)
}

// epoch hands a key to people's devices.
func (o *old) epoch(key, before keys.Secret, control bool, to []*person) credential.Claim {
	c := credential.Epoch{Key: key.ID(), Parents: []id.EpochID{before.ID()}, Control: control}
	content := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 3), 1), key[:])
	content = wire.AppendBytes(wire.AppendArray(content, 1), before[:])
	for _, p := range to {
		sealed := o.env.Bytes(32 + 24 + len(content) + 16)
		if p == o.owner {
			kind := []byte{0}
			if control {
				kind[0] = 1
			}
			aad := keys.SumLabel("echospace epoch envelope v1", o.rec.Key[:], c.Key[:], kind, p.device[:])
			var err error
			sealed, err = keys.SealTo(o.env, p.sealing, content, aad[:])
			o.ok(err)
		}
		c.Envelopes = append(c.Envelopes, credential.Envelope{Device: p.device, Sealed: sealed})
		for _, d := range p.further {
			c.Envelopes = append(c.Envelopes, credential.Envelope{Device: d, Sealed: o.env.Bytes(len(sealed))})
		}
	}
	sort.Slice(c.Envelopes, func(i, j int) bool { return id.Compare(c.Envelopes[i].Device, c.Envelopes[j].Device) < 0 })
	return c
}

// write issues claims, one after the other, in one block; beside, as of before the
// last one.
func (o *old) write(by *person, beside bool, claims ...credential.Claim) {
	var list []*credential.Credential
	under := o.rec.Secrets.Controls[len(o.rec.Secrets.Controls)-1]
	for _, claim := range claims {
		parents := o.heads
		if beside && len(o.before) > 0 {
			parents = o.before
		}
		c, err := credential.Issue(context.Background(), by.signer, append(slices.Clone(parents), o.genesis), int64(o.issued), claim)
		o.ok(err)
		if beside {
			o.heads = append(slices.Clone(o.heads), c.ID())
		} else {
			o.heads = []id.CredentialID{c.ID()}
		}
		o.before = parents
		list = append(list, c)
	}
	o.issued += len(list)
	o.all = append(o.all, list...)
	if e, ok := claims[len(claims)-1].(credential.Epoch); ok && len(e.Envelopes) > 0 {
		under = o.rec.Secrets.Controls[len(o.rec.Secrets.Controls)-2] // who stays learns the new ones by it
	}
	o.sealUnder(by, under, list)
}

func (o *old) seal(by *person, list []*credential.Credential) {
	o.sealUnder(by, o.rec.Secrets.Controls[0], list)
}

// sealUnder makes the next block of somebody's control feed.
func (o *old) sealUnder(by *person, key keys.Secret, list []*credential.Credential) {
	if by.feed == nil {
		var err error
		by.feed, err = feed.NewHeader(context.Background(), feed.Header{Space: o.rec.Key, Device: by.device, Incarnation: [16]byte(o.env.Bytes(16)), Kind: feed.Control}, by.signer)
		o.ok(err)
		o.people = append(o.people, by)
	}
	payload := wire.AppendArray(wire.AppendUint(wire.AppendArray(nil, 2), 1), len(list))
	for _, c := range list {
		payload = wire.AppendBytes(payload, c.Encode())
	}
	h := feed.BlockHeader{Feed: by.feed.ID(), Seq: by.head.Seq + 1, Prev: by.head.Hash, Epoch: key.ID(), Ops: uint64(len(list))}
	if o.last.Seq > 0 && o.last.Feed != h.Feed {
		h.Deltas = []feed.Ref{o.last}
	}
	blocks, err := feed.BuildParts(context.Background(), o.env, h, key, payload, by.signer)
	o.ok(err)
	for _, b := range blocks {
		by.blocks = append(by.blocks, b.Encode())
	}
	by.head = blocks[len(blocks)-1].Ref()
	o.last = by.head
}
