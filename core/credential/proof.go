package credential

import (
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Limits of a proof.
const (
	maxProof      = 512
	maxProofBytes = 1 << 20
)

// Proof gives the credentials that lead from genesis to a device of a member:
// the chain of the device, the admission and roles of its identity, and the
// same for each issuer among them. A device of no member is an
// errs.NotPermitted.
func (m *Membership) Proof(d id.DeviceKey) ([]byte, error) {
	return m.proof("credential.Membership.Proof", d)
}

// proof is Proof that holds those nodes too, with what they rest on.
func (m *Membership) proof(op string, d id.DeviceKey, nodes ...int) ([]byte, error) {
	member, ok := m.Device(d)
	if !ok {
		return nil, errs.New(op, errs.NotPermitted, "device %v is of no member", d)
	}
	e := m.e
	needed := newBitset(len(e.nodes))
	needed.add(e.genesis)
	e.need(needed, d, member.Identity, e.all)
	for _, n := range nodes {
		e.needNode(needed, n)
	}
	var creds []*Credential
	needed.each(func(i int) { creds = append(creds, e.nodes[i].Credential) })
	proof := encodeProof(creds)
	if len(creds) > maxProof || len(proof) > maxProofBytes {
		return nil, errs.New(op, errs.TooLarge, "the proof of device %v takes %d credentials of %d bytes", d, len(creds), len(proof))
	}
	return proof, nil
}

func encodeProof(creds []*Credential) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 2), version)
	b = wire.AppendArray(b, len(creds))
	for _, c := range creds {
		b = wire.AppendBytes(b, c.Encode())
	}
	return b
}

// need adds what shows that key acts for a member in view.
func (e *evaluation) need(needed bitset, key [32]byte, identity id.IdentityKey, view bitset) {
	for _, b := range e.chainOf(key, identity, view) {
		e.needNode(needed, b.at)
	}
	s, ok := e.standing(identity, view)
	if !ok {
		return
	}
	e.needNode(needed, s.admission)
	e.needNode(needed, s.decided)
	live := e.liveAdmissions(identity, view)
	for _, n := range e.withRoles(live, identity, view)[len(live):] {
		e.needNode(needed, n)
	}
}

// needNode adds a node and what shows that its issuer might issue it.
func (e *evaluation) needNode(needed bitset, i int) {
	if needed.has(i) {
		return
	}
	needed.add(i)
	switch e.nodes[i].Claim.(type) {
	case Genesis, Device, Recovery:
		return // chainOf gives what a link rests on
	}
	e.need(needed, e.nodes[i].Issuer, e.authority[i].identity, e.nodes[i].past)
}

// VerifyProof checks a proof and gives the member as it shows it, with the
// devices in it. It shows that the device was one of a member, not that it
// still is: the proof's maker leaves out what came after. All in it must follow the
// founding of the space, as in a presentation: who is ADMIN of two spaces admits to one.
// errs.BadCredential if it does not hold, or the error of Decode.
func VerifyProof(space id.SpaceKey, d id.DeviceKey, proof []byte) (MemberInfo, error) {
	creds, err := DecodeProof(proof)
	if err != nil {
		return MemberInfo{}, err
	}
	if bound, err := boundTo(creds); err != nil || bound != space {
		return MemberInfo{}, errs.New("credential.VerifyProof", errs.BadCredential, "the proof of device %v is not of space %v: %w", d, space, err)
	}
	m := evaluateLine(space, creds)
	member, ok := m.Device(d)
	for _, b := range m.e.chainOf(d, member.Identity, m.e.all) {
		member.chain = append(member.chain, b.issuer)
	}
	if !ok {
		return MemberInfo{}, errs.New("credential.VerifyProof", errs.BadCredential, "%d credentials do not show device %v to be of a member of space %v", len(creds), d, space)
	}
	return member, nil
}

// evaluateLine judges the credentials of a proof, each of which follows all before it.
func evaluateLine(space id.SpaceKey, creds []*Credential) *Membership {
	e := newEvaluation(lineGraph(creds), space)
	e.line = true
	e.pass()
	return newMembership(e)
}

// ChainProof is a proof that shows no membership but whose device one is: the chain of
// it alone. It serves who got back an identity and the keys of its spaces, but no
// credentials of these.
func ChainProof(chain [][]byte) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 2), version)
	b = wire.AppendArray(b, len(chain))
	for _, c := range chain {
		b = wire.AppendBytes(b, c)
	}
	return b
}

// VerifyMember is VerifyProof for a ChainProof too: whoever that shows a device of is
// to be a member here. It is an errs.NotPermitted otherwise.
func (m *Membership) VerifyMember(space id.SpaceKey, d id.DeviceKey, proof []byte) (MemberInfo, error) {
	const op = "credential.VerifyMember"
	creds, err := DecodeProof(proof)
	if err != nil {
		return MemberInfo{}, err
	}
	var chain [][]byte
	for _, c := range creds {
		if _, _, ok := linkOf(c); !ok {
			return VerifyProof(space, d, proof)
		}
		chain = append(chain, c.Encode())
	}
	if len(creds) == 0 {
		return MemberInfo{}, errs.New(op, errs.BadCredential, "an empty proof")
	}
	_, identity, _ := linkOf(creds[0])
	links, err := readChain(identity, chain, verify)
	if err != nil {
		return MemberInfo{}, err
	}
	last := links[len(links)-1]
	if last.recovery || last.key != [32]byte(d) {
		return MemberInfo{}, errs.New(op, errs.BadCredential, "the chain of identity %v does not end at device %v", identity, d)
	}
	member, ok := m.Identity(identity)
	if !ok {
		return MemberInfo{}, errs.New(op, errs.NotPermitted, "identity %v is no member of space %v, as far as it is known here", identity, space)
	}
	member.Devices = []DeviceInfo{{Device: d, Sealing: last.device.Sealing}}
	issuer := last.issuer
	for i := len(links) - 1; i >= 0; i-- { // each is named once, by one before those that it issues
		if links[i].key == issuer || i == len(links)-1 {
			issuer = links[i].issuer
			member.chain = append([][32]byte{issuer}, member.chain...)
		}
	}
	return member, nil
}

// DecodeProof gives the credentials of a proof, each checked like Decode but
// not whether they show anything: a newcomer's proof may bring credentials
// that were not known here.
func DecodeProof(proof []byte) ([]*Credential, error) {
	const op = "credential.VerifyProof"
	if len(proof) > maxProofBytes {
		return nil, errs.New(op, errs.Malformed, "a proof of %d bytes, the limit is %d", len(proof), maxProofBytes)
	}
	r := wire.NewReader(proof)
	r.Array(2)
	if v := r.Uint(math.MaxUint64); r.Err() == nil && v != version {
		return nil, errs.New(op, errs.VersionUnsupported, "proof version %d, this version reads %d", v, version)
	}
	var raws [][]byte
	for range r.ArrayLen(maxProof) {
		raws = append(raws, r.Bytes(maxProofBytes))
	}
	if err := r.Done(op); err != nil {
		return nil, err
	}
	creds := make([]*Credential, 0, len(raws))
	for _, raw := range raws {
		c, err := Decode(raw)
		if err != nil {
			return nil, err
		}
		creds = append(creds, c)
	}
	return creds, nil
}
