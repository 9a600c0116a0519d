package credential

import "github.com/echospace/echospace/core/id"

// someNodes is after how many nodes, or members, an evaluation asks whether it is
// enough.
const someNodes = 64

// Evaluation is an Evaluate that is done in pieces: of 5,000 credentials it takes a
// tenth of a second in a page. Make it with BeginEvaluation.
type Evaluation struct {
	space id.SpaceKey
	creds []*Credential
	step  func(enough func() bool) (done bool)
	e     *evaluation
	m     *Membership
}

// BeginEvaluation begins to judge a set of credentials; see Evaluate.
func BeginEvaluation(space id.SpaceKey, creds []*Credential) *Evaluation {
	v := &Evaluation{space: space, creds: creds}
	v.step = v.order
	return v
}

// Some goes on until enough, which may be nil, says so. It gives nil until all is done.
func (v *Evaluation) Some(enough func() bool) *Membership {
	for v.step != nil {
		if !v.step(enough) || v.step != nil && enough != nil && enough() {
			return nil
		}
	}
	return v.m
}

// order sorts the set.
func (v *Evaluation) order(func() bool) (done bool) {
	v.e = newEvaluation(newGraph(v.creds), v.space)
	v.creds, v.step = nil, v.passing(v.e, v.settle)
	return true
}

// passing makes the step that judges all nodes of e, before next.
func (v *Evaluation) passing(e *evaluation, next func(func() bool) bool) func(func() bool) bool {
	at := 0
	return func(enough func() bool) (done bool) {
		if at = e.passFrom(at, enough); at < len(e.nodes) {
			return false
		}
		v.step = next
		return true
	}
}

// settle takes the removals, if there are any.
func (v *Evaluation) settle(func() bool) (done bool) {
	v.step = v.members
	if len(v.e.pending()) > 0 {
		sober := v.e.soberTwin()
		v.step = v.passing(sober, func(enough func() bool) bool { return v.rounds(sober, enough) })
	}
	return true
}

// rounds takes them in rounds.
func (v *Evaluation) rounds(sober *evaluation, enough func() bool) (done bool) {
	for v.e.settleRound(sober) {
		if enough != nil && enough() {
			return false
		}
	}
	v.step = v.members
	return true
}

// members finds who is a member.
func (v *Evaluation) members(enough func() bool) (done bool) {
	if v.m == nil {
		v.m = beginMembership(v.e)
	}
	if !v.m.findMembers(enough) {
		return false
	}
	v.step = v.heads
	return true
}

// heads finds what is to be followed.
func (v *Evaluation) heads(func() bool) (done bool) {
	v.m.findHeads()
	v.step = nil
	return true
}
