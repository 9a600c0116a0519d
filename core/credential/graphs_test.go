package credential

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

var (
	graphsFlag = flag.Int("credential.graphs", 300, "how many random graphs TestGraphs judges")
	seedFlag   = flag.Uint64("credential.seed", 1, "the seed of the first random graph; the next follow it")
)

// cast are the people of all random graphs: signing is what costs.
type cast struct {
	identity      id.IdentityKey
	first, second *Credential // devices: by the identity key, and by the first
	recovery      [32]byte
	one, both     [][]byte // chains
	oneOf, bothOf []link
}

const maxCast = 12

var casts = sync.OnceValue(func() (list []*cast) {
	for n := range maxCast {
		p := newPerson(panics{}, 500+n)
		second := key(5000 + n).Public()
		c := &cast{identity: p.identity, first: p.first, recovery: key(6000 + n).Public()}
		c.second = issue(panics{}, p.device, nil, Device{Identity: p.identity, Device: second, Sealing: sealingOf(n), Label: "second"})
		c.one, c.both = [][]byte{c.first.Encode()}, [][]byte{c.first.Encode(), c.second.Encode()}
		for _, chain := range []*struct {
			raw  [][]byte
			into *[]link
		}{{c.one, &c.oneOf}, {c.both, &c.bothOf}} {
			links, err := readChain(c.identity, chain.raw, verify)
			if err != nil {
				panic(err)
			}
			*chain.into = links
		}
		list = append(list, c)
	}
	return list
})

// panics is a tester for what runs once for all tests.
type panics struct{}

func (panics) Helper()                           {}
func (panics) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

var decodings = map[string]*Credential{}

// decoded is Decode of a link of a chain, remembered.
func decoded(raw []byte) *Credential {
	c, ok := decodings[string(raw)]
	if !ok {
		var err error
		if c, err = Decode(raw); err != nil {
			panic(err)
		}
		decodings[string(raw)] = c
	}
	return c
}

// unsigned makes a credential as Issue would, without the signature and without
// reading it again: Evaluate sees the same, since Decode is what checks both.
func unsigned(issuer [32]byte, parents []id.CredentialID, timeMs int64, claim Claim, chain []link) *Credential {
	sorted := slices.Clone(parents)
	slices.SortFunc(sorted, id.Compare[id.CredentialID])
	c := &Credential{Issuer: issuer, Parents: slices.Compact(sorted), Time: timeMs, Claim: claim, chain: chain}
	c.Bytes = encodeSigned(c)
	c.id = id.CredentialID(keys.Sum(c.Bytes))
	return c
}

// randomGraph is a space in which people issue what they please, on branches that
// part and meet. A mood makes some claims more frequent, so that what they lead to
// is met often.
type randomGraph struct {
	*rand.Rand
	space  id.SpaceKey
	people []*cast
	mood   int
	set    []*Credential
	tips   []id.CredentialID
}

const (
	anything = iota
	removing
	inviting
	moods
)

var spaceKey = sync.OnceValue(func() [32]byte { return key(1).Public() })

func newRandomGraph(seed uint64) *randomGraph {
	g := &randomGraph{Rand: rand.New(rand.NewPCG(seed, 4)), space: id.SpaceKey(spaceKey())}
	people := 2 + g.IntN(4)
	if g.IntN(3) == 0 {
		people = 2 + g.IntN(maxCast-1)
	}
	g.people, g.mood = casts()[:people], g.IntN(moods)
	founder := g.people[0]
	g.set = append(g.set, founder.first)
	g.tips = []id.CredentialID{{}}
	g.add(0, spaceKey(), []id.CredentialID{founder.first.ID()}, Genesis{Space: g.space, Identity: founder.identity, ControlKey: id.EpochID{1}})
	early := 1 + g.IntN(people-1)
	if g.mood == inviting {
		early = min(early, 3)
	}
	for _, p := range g.people[1 : 1+early] {
		m := g.admission(p)
		m.Invitation = id.InvitationID{}
		g.add(0, founder.first.Claim.(Device).Device, g.tips, m)
	}
	if g.mood == inviting {
		g.add(0, founder.first.Claim.(Device).Device, g.tips, Invitation{Invitation: id.InvitationID{1}, Multi: g.IntN(4) == 0, Role: Admin})
	}
	for len(g.tips) < 1+g.IntN(4) {
		g.tips = append(g.tips, g.tips[0])
	}
	for range 3 + g.IntN(8+2*people) {
		g.step()
	}
	return g
}

// step lets somebody issue something on a branch.
func (g *randomGraph) step() {
	if g.IntN(8) == 0 && len(g.tips) < 5 {
		g.tips = append(g.tips, g.set[1+g.IntN(len(g.set)-1)].ID())
	}
	b := g.IntN(len(g.tips))
	parents := []id.CredentialID{g.tips[b]}
	if g.IntN(8) == 0 {
		parents = append(parents, g.tips[g.IntN(len(g.tips))])
	}
	by := g.person()
	if g.IntN(3) == 0 {
		by = g.people[g.IntN(min(3, len(g.people)))] // who is a member, as a rule
	}
	issuer := g.deviceOf(by)
	if g.IntN(16) == 0 {
		issuer = by.recovery
	}
	g.add(b, issuer, parents, g.claim(by))
}

func (g *randomGraph) person() *cast { return g.people[g.IntN(len(g.people))] }

func (g *randomGraph) deviceOf(p *cast) [32]byte {
	if g.IntN(6) == 0 {
		return p.second.Claim.(Device).Device
	}
	return p.first.Claim.(Device).Device
}

func (g *randomGraph) role() Role {
	return []Role{Owner, Owner, Owner, Admin, Admin, Admin, Editor, Editor, Reader, Keeper}[g.IntN(10)]
}

func (g *randomGraph) invitation() id.InvitationID { return id.InvitationID{byte(1 + g.IntN(2))} }

func (g *randomGraph) admission(p *cast) Member {
	m := Member{Identity: p.identity, Role: g.role(), Devices: p.one}
	if g.IntN(4) == 0 {
		m.Devices = p.both
	}
	if g.IntN(3) != 0 {
		m.Invitation = g.invitation()
	}
	return m
}

func (g *randomGraph) claim(by *cast) Claim {
	on := g.person()
	n := g.IntN(26)
	switch g.mood {
	case removing:
		n = []int{n, 4, 8, 9, 9, 9, 14, 23}[g.IntN(8)]
	case inviting:
		n = []int{n, n, 4, 4, 4, 19, 20, 23}[g.IntN(8)]
	}
	switch n {
	case 0, 1, 2, 3, 4:
		return g.admission(on)
	case 5, 6, 7, 8:
		return SetRole{Identity: on.identity, Role: g.role()}
	case 9, 10, 11, 12, 13:
		return Remove{Identity: on.identity}
	case 14, 15:
		return RevokeDevice{Identity: on.identity, Device: g.deviceOf(on)}
	case 16:
		return RevokeDevice{Identity: on.identity, Device: on.recovery}
	case 17:
		return Recovery{Identity: by.identity, Key: by.recovery}
	case 24, 25:
		return RecoveryEnvelope{Identity: on.identity, Key: on.recovery, Sealed: []byte("sealed")}
	case 18:
		return Device{Identity: by.identity, Device: g.deviceOf(by)}
	case 19:
		return Invitation{Invitation: g.invitation(), Role: g.role(), Multi: g.IntN(3) == 0}
	case 20:
		return Spent{Invitation: g.invitation(), Reason: Used}
	case 21, 22:
		return Epoch{Key: id.EpochID{byte(1 + g.IntN(4))}, Control: g.IntN(2) == 0}
	}
	return Profile{Identity: by.identity, Name: "name"}
}

// add puts a credential at the tip of a branch.
func (g *randomGraph) add(branch int, issuer [32]byte, parents []id.CredentialID, claim Claim) {
	c := unsigned(issuer, parents, int64(g.Uint32()), claim, g.chainOf(claim))
	g.set = append(g.set, c)
	g.tips[branch] = c.ID()
}

// chainOf is what Decode reads of an admission's devices.
func (g *randomGraph) chainOf(c Claim) []link {
	m, ok := c.(Member)
	if !ok {
		return nil
	}
	p := g.people[slices.IndexFunc(g.people, func(p *cast) bool { return p.identity == m.Identity })]
	if len(m.Devices) > 1 {
		return p.bothOf
	}
	return p.oneOf
}

// TestGraphs judges random graphs in several orders, for properties, and against
// the twin.
func TestGraphs(t *testing.T) {
	start := *seedFlag
	t.Logf("seeds %d to %d", start, start+uint64(*graphsFlag)-1)
	for seed := start; seed < start+uint64(*graphsFlag); seed++ {
		g := newRandomGraph(seed)
		m := Evaluate(g.space, g.set)
		for range 2 {
			shuffled := append(slices.Clone(g.set), g.set[g.IntN(len(g.set))])
			g.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if d := differs(m, Evaluate(g.space, shuffled), g.set); d != "" {
				t.Fatalf("seed %d: another order: %s\n%s", seed, d, g.story(m))
			}
		}
		if what := g.broken(m); what != "" {
			t.Fatalf("seed %d: %s\n%s", seed, what, g.story(m))
		}
		if what := g.attacked(m); what != "" {
			t.Fatalf("seed %d: %s", seed, what)
		}
		if len(g.people) <= 5 {
			if d := newTwin(g.space, g.set).differs(m, g.set); d != "" {
				t.Fatalf("seed %d: %s\n%s", seed, d, g.story(m))
			}
		}
	}
}
