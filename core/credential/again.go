package credential

import "math/bits"

// judgeAgain judges what is marked and all that rests on what changes by that. It
// gives what was found of those before.
func (e *evaluation) judgeAgain(dirty bitset) (before []verdict) {
	for word := 0; word < len(dirty); {
		if dirty[word] == 0 {
			word++
			continue
		}
		i := word*64 + bits.TrailingZeros64(dirty[word])
		dirty.remove(i)
		old, now := e.verdictNow(i), e.verdict(i)
		if old == now {
			continue
		}
		e.set(now)
		before = append(before, old)
		e.markDependent(dirty, i)
	}
	return before
}

// markDependent marks the later nodes that are judged by node c.
func (e *evaluation) markDependent(dirty bitset, c int) {
	mark := func(list []int) {
		for _, i := range list {
			if i > c && e.nodes[i].past.has(c) {
				dirty.add(i)
			}
		}
	}
	switch claim := e.nodes[c].Claim.(type) {
	case Member:
		for _, i := range e.uses[claim.Invitation] {
			if i > c { // be it concurrent
				dirty.add(i)
			}
		}
	case Invitation:
		mark(e.uses[claim.Invitation])
	case Spent:
		mark(e.uses[claim.Invitation])
	case Epoch:
		mark(e.epochs[claim.Key])
	case Remove, RevokeDevice:
		for _, list := range e.uses {
			mark(list)
		}
	}
	switch e.nodes[c].Claim.(type) {
	case Member, SetRole, Remove, RevokeDevice:
	default:
		return
	}
	who, _ := Subject(e.nodes[c].Claim)
	mark(e.about[who])
	for _, key := range e.held[who] {
		mark(e.issued[key])
	}
	if e.everRule[who] { // whether there is another OWNER
		for other := range e.everRule {
			mark(e.about[other])
		}
	}
}
