package client

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/keys/mnemonic"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/space"
)

func frameEnv() env.Env {
	return env.Env{Clock: env.ClockFunc(time.Now), Rand: rand.NewChaCha8([32]byte{7}), Log: env.NoLog{}}
}

func signingKey(n byte) *keys.SigningKey { return keys.NewSigningKey([32]byte{n, 0x77}) }

// estate is somebody who made a recovery phrase, with the credentials and the envelope of
// one space.
type estate struct {
	t        testing.TB
	root     *keys.SigningKey
	device   *keys.SigningKey
	first    []byte
	halo     space.Record
	recovery *credential.Credential
	item     item
}

// wordList reads the list of recovery phrases, which a page's module does not hold.
func wordList() *mnemonic.List {
	text, err := os.ReadFile("../keys/mnemonic/english.txt")
	if err != nil {
		panic(err)
	}
	list, err := mnemonic.NewList(text)
	if err != nil {
		panic(err)
	}
	return list
}

func phraseKeys() (*keys.SigningKey, *keys.SealingKey) {
	return mnemonic.New(wordList(), [mnemonic.EntropySize]byte{9}).Keys()
}

func newEstate(t testing.TB, n byte) *estate {
	t.Helper()
	ctx := context.Background()
	issue := func(s keys.Signer, c credential.Claim, parents ...id.CredentialID) *credential.Credential {
		c2, err := credential.Issue(ctx, s, parents, 1, c)
		if err != nil {
			t.Fatal(err)
		}
		return c2
	}
	e := &estate{t: t, root: signingKey(n), device: signingKey(n + 1)}
	who, signer, sealing := id.IdentityKey(e.root.Public()), keys.Signer(nil), [32]byte{}
	words, opens := phraseKeys()
	signer, sealing = words, opens.Public()
	first := issue(e.root, credential.Device{Identity: who, Device: e.device.Public(), Sealing: keys.NewSealingKey([32]byte{n}).Public()})
	e.first = first.Encode()
	claim, err := credential.Countersign(ctx, signer, who, sealing)
	if err != nil {
		t.Fatal(err)
	}
	e.recovery = issue(e.device, claim)
	founder := signingKey(n + 2)
	control := keys.Secret{n}
	genesis := issue(founder, credential.Genesis{Space: founder.Public(), Identity: who, ControlKey: control.ID()})
	proof, err := credential.ExtendProof(credential.ChainProof(nil), [][]byte{genesis.Encode(), e.first, e.recovery.Encode()})
	if err != nil {
		t.Fatal(err)
	}
	e.halo = space.Record{Key: founder.Public(), Secrets: space.Secrets{Controls: []keys.Secret{control}}, Proof: proof}
	e.item = e.sealedBy(e.device, [][]byte{e.first}, space.Recovery{Halo: e.halo, Name: "Ada"}, 1)
	return e
}

// sealedBy makes an item of an envelope that a device sealed.
func (e *estate) sealedBy(device *keys.SigningKey, chain [][]byte, content space.Recovery, at int64) item {
	e.t.Helper()
	key := id.SpaceKey{5}
	envelope, err := content.Seal(frameEnv(), key, e.recovery.Claim.(credential.Recovery))
	if err != nil {
		e.t.Fatal(err)
	}
	c, err := credential.Issue(context.Background(), device, nil, at, envelope)
	if err != nil {
		e.t.Fatal(err)
	}
	return item{space: key, envelope: c.Encode(), issuer: chain, chain: [][]byte{e.first, e.recovery.Encode()}}
}

func newSearch(t testing.TB) *returning {
	t.Helper()
	s := &session{c: &Client{ports: Ports{Env: frameEnv()}}}
	return newReturning(s, mnemonic.New(wordList(), [mnemonic.EntropySize]byte{9}))
}

// What a helper may hand over that is not to be believed.
func TestAttack_R10_helperThatLies(t *testing.T) {
	ada, mallory := newEstate(t, 10), newEstate(t, 20)
	other, err := credential.Issue(context.Background(), mallory.device, nil, 1, credential.Profile{Identity: mallory.root.Public()})
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(it *item)) item {
		it := ada.item
		f(&it)
		return it
	}
	stolen := ada.recovery.Claim.(credential.Recovery)
	stolen.Identity = mallory.root.Public()
	if _, err := credential.Issue(context.Background(), mallory.device, nil, 1, stolen); !errs.Is(err, errs.InvalidArgument) {
		t.Errorf("the recovery key is made one of another identity: %v", err)
	}
	for name, it := range map[string]item{
		"an envelope of another identity": change(func(it *item) { it.envelope, it.issuer = mallory.item.envelope, mallory.item.issuer }),
		"sealed by a stranger":            ada.sealedBy(mallory.device, [][]byte{mallory.first}, space.Recovery{Halo: ada.halo}, 1),
		"with no chain of the issuer":     change(func(it *item) { it.issuer = nil }),
		"with no chain of the key":        change(func(it *item) { it.chain = nil }),
		"the key without its identity":    change(func(it *item) { it.chain = it.chain[1:] }),
		"for another space":               change(func(it *item) { it.space = id.SpaceKey{6} }),
		"another credential":              change(func(it *item) { it.envelope = other.Encode() }),
		"the HALO of another":             ada.sealedBy(ada.device, [][]byte{ada.first}, space.Recovery{Halo: mallory.halo}, 1),
		"nothing":                         {},
	} {
		r := newSearch(t)
		if b := it.encode(); r.take(keys.Sum(b), b) || len(r.found) > 0 {
			t.Errorf("%s: is believed", name)
		}
	}
	r := newSearch(t)
	if b := ada.item.encode(); !r.take(keys.Sum(b), b) {
		t.Error("the genuine one is not believed")
	}
	if r.take(id.Hash{}, []byte{1, 2, 3}) {
		t.Error("garbage is believed")
	}
}

// Of several answers the one with the newest keys counts, and what others know besides;
// nothing of a device that it knows as revoked.
func TestRecovery_H10_merged(t *testing.T) {
	ada := newEstate(t, 10)
	thief := signingKey(40)
	made, err := credential.Issue(context.Background(), ada.device, nil, 1, credential.Device{Identity: ada.root.Public(), Device: thief.Public()})
	if err != nil {
		t.Fatal(err)
	}
	thiefs := ada.halo
	if thiefs.Proof, err = credential.ExtendProof(thiefs.Proof, [][]byte{made.Encode()}); err != nil {
		t.Fatal(err)
	}
	newer := ada.halo
	newer.Secrets.Controls = append([]keys.Secret{{10}}, keys.Secret{77})
	k := func(n ...byte) (list []keys.Secret) {
		for _, b := range n {
			list = append(list, keys.Secret{b})
		}
		return list
	}
	has := func(key byte, controls ...byte) space.Recoverable {
		return space.Recoverable{Key: id.SpaceKey{key}, Secrets: space.Secrets{Controls: k(controls...)}}
	}
	r := newSearch(t)
	for _, it := range []item{
		ada.sealedBy(ada.device, [][]byte{ada.first}, space.Recovery{Halo: ada.halo, Name: "old", Spaces: []space.Recoverable{has(1, 1), has(2, 1, 2)}}, 9),
		ada.sealedBy(ada.device, [][]byte{ada.first}, space.Recovery{Halo: newer, Name: "new", Ended: [][32]byte{thief.Public()}, Spaces: []space.Recoverable{has(1, 1, 3), has(3, 1)}}, 2),
		ada.sealedBy(thief, [][]byte{ada.first, made.Encode()}, space.Recovery{Halo: thiefs, Name: "stolen", Spaces: []space.Recoverable{has(1, 66), has(66, 1)}}, 99),
	} {
		if b := it.encode(); !r.take(keys.Sum(b), b) {
			t.Fatal("an item is not believed")
		}
	}
	best, spaces := r.merged()
	if best.content.Name != "new" || len(best.content.Halo.Secrets.Controls) != 2 {
		t.Errorf("the best is %q with %d keys", best.content.Name, len(best.content.Halo.Secrets.Controls))
	}
	got := map[id.SpaceKey]int{}
	for _, s := range spaces {
		got[s.Key] = len(s.Secrets.Controls)
	}
	if len(got) != 3 || got[id.SpaceKey{1}] != 2 || got[id.SpaceKey{2}] != 2 || got[id.SpaceKey{3}] != 1 {
		t.Errorf("the spaces are %v", got)
	}
}

// Nobody learns anything who does not show the recovery key itself.
func TestAttack_R10_askerWithoutTheKey(t *testing.T) {
	e := frameEnv()
	words, _ := phraseKeys()
	g := recoveryGateOf(words.Public())
	a := ask{ephemeral: keys.NewSealingKey([32]byte{8}).Public(), item: id.Hash{4}, offset: 5}
	genuine, err := g.encodeAsk(e, words, a)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := g.decodeAsk(genuine); !ok || got != a {
		t.Errorf("the genuine question reads as %+v, %v", got, ok)
	}
	byMember, err := g.encodeAsk(e, signingKey(1), a) // who knows the public half
	if err != nil {
		t.Fatal(err)
	}
	for name, frame := range map[string][]byte{
		"signed by another": byMember,
		"an answer":         recoveryFrame(frameTell, genuine),
		"nothing":           nil,
		"garbage":           []byte("garbage"),
	} {
		if _, ok := g.decodeAsk(frame); ok {
			t.Errorf("%s is answered", name)
		}
	}
	if _, ok := recoveryGateOf(signingKey(2).Public()).decodeAsk(genuine); ok {
		t.Error("a question under another topic is answered")
	}
	for bit := range len(genuine) * 8 {
		flipped := bytes.Clone(genuine)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, ok := g.decodeAsk(flipped); ok {
			t.Fatalf("with bit %d flipped it is answered", bit)
		}
	}
	// A question that was recorded is answered again, to its ephemeral key alone.
	told, err := g.encodeTell(e, a.ephemeral, tell{item: a.item, size: 2, piece: []byte("ab")})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := g.decodeTell(keys.NewSealingKey([32]byte{16}), told); ok {
		t.Error("somebody else reads the answer")
	}
	if got, ok := g.decodeTell(keys.NewSealingKey([32]byte{8}), told); !ok || string(got.piece) != "ab" {
		t.Errorf("the answer reads as %+v, %v", got, ok)
	}
}

// Items of several pieces come whole through answers of other sizes, in other orders and
// twice, and a source that goes wrong is left.
func TestReturning_H10_pieces(t *testing.T) {
	ada := newEstate(t, 10)
	big := space.Recovery{Halo: ada.halo}
	for i := range 700 {
		big.Spaces = append(big.Spaces, space.Recoverable{Key: id.SpaceKey{byte(i), byte(i >> 8)}, Secrets: space.Secrets{Controls: []keys.Secret{{1}}}})
	}
	b := ada.sealedBy(ada.device, [][]byte{ada.first}, big, 1).encode()
	if len(b) <= recoveryPiece {
		t.Fatalf("%d bytes are one piece", len(b))
	}
	r, e, name := newSearch(t), frameEnv(), keys.Sum(b)
	at := sourceAt{0, id.PeerID{1}}
	r.event(0, signal.Event{Type: signal.Joined, Peer: at.peer})
	src := r.sources[at]
	say := func(t2 tell) {
		frame, err := r.gate.encodeTell(e, r.ephemeral.Public(), t2)
		if err != nil {
			t.Fatal(err)
		}
		r.event(0, signal.Event{Type: signal.Frame, Peer: at.peer, Data: frame})
	}
	say(tell{item: name, size: len(b), piece: b[:10]}) // not asked for
	if src.listed || len(src.got) > 0 {
		t.Error("an answer to no question is taken")
	}
	list := tell{size: 64, piece: append(name[:], make([]byte, 32)...)}
	say(list)
	say(list) // again
	if !src.listed || src.ask.item != name {
		t.Fatal("the item of the list is not asked for")
	}
	for end := 0; end < len(b); {
		say(tell{item: name, offset: end + 7, size: len(b), piece: b[end+7 : min(len(b), end+99)]}) // out of order
		piece := b[end:min(len(b), end+40_000)]
		say(tell{item: name, offset: end, size: len(b), piece: piece})
		end += len(piece)
	}
	if len(r.found) != 1 || len(r.found[0].content.Spaces) != 700 {
		t.Fatalf("%d items are found", len(r.found))
	}
	if !src.idle {
		t.Error("the source is asked on")
	}
	liar := sourceAt{0, id.PeerID{2}}
	at = liar
	r.event(0, signal.Event{Type: signal.Joined, Peer: liar.peer})
	wrong := keys.Sum([]byte("another"))
	say(tell{size: 32, piece: wrong[:]})
	say(tell{item: wrong, size: 3, piece: []byte("any")})
	if r.sources[liar] != nil {
		t.Error("a source that lies is asked on")
	}
	r.event(0, signal.Event{Type: signal.Down})
	if len(r.sources) > 0 {
		t.Error("sources outlive their relay")
	}
}

// A helper answers so much a second and no more.
func TestHelper_limits(t *testing.T) {
	now := time.Unix(1000, 0)
	e := frameEnv()
	e.Clock = env.ClockFunc(func() time.Time { return now })
	h := &helper{stay: &stay{s: &session{c: &Client{ports: Ports{Env: e}}}}}
	count := func(p byte) (n int) {
		for range 2 * maxAskedAll {
			if h.admits(id.PeerID{p}, 0) {
				n++
			}
		}
		return n
	}
	if n := count(1); n != maxAsked {
		t.Errorf("one peer asks %d times a second", n)
	}
	now = now.Add(time.Second)
	all := 0
	for p := range byte(100) {
		for range 10 {
			if h.admits(id.PeerID{p}, 0) {
				all++
			}
		}
	}
	if all != maxAskedAll {
		t.Errorf("all ask %d times a second", all)
	}
	now = now.Add(time.Second)
	if !h.admits(id.PeerID{1}, maxAnswered) || h.admits(id.PeerID{1}, 1) {
		t.Error("the bytes of answers are not bounded")
	}
}

func FuzzRecoveryFrames(f *testing.F) {
	e := frameEnv()
	words, _ := phraseKeys()
	g, ephemeral := recoveryGateOf(words.Public()), keys.NewSealingKey([32]byte{8})
	asked, err := g.encodeAsk(e, words, ask{ephemeral: ephemeral.Public()})
	if err != nil {
		f.Fatal(err)
	}
	told, err := g.encodeTell(e, ephemeral.Public(), tell{size: 3, piece: []byte("abc")})
	if err != nil {
		f.Fatal(err)
	}
	ada := newEstate(f, 10).item
	for _, seed := range [][]byte{asked, told, ada.encode(), item{}.encode(), item{keys: []byte("sealed")}.encode(), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ok := g.decodeAsk(b); ok && !bytes.Equal(b, asked) {
			t.Error("a question that nobody signed")
		}
		if _, ok := g.decodeTell(ephemeral, b); ok && !bytes.Equal(b, told) {
			t.Error("an answer that nobody sealed")
		}
		it, err := decodeItem(b)
		if errs.KindOf(err) == errs.Internal {
			t.Errorf("no kind: %v", err)
		}
		if err == nil && !bytes.Equal(it.encode(), b) {
			t.Errorf("%x encodes otherwise", b)
		}
		if v, err := it.verify(g.key); err == nil && !bytes.Equal(it.chain[len(it.chain)-1], ada.chain[1]) {
			t.Errorf("a recovery key that nobody made: %+v", v)
		}
	})
}
