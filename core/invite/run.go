package invite

import (
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/invite/cpace"
	"github.com/echospace/echospace/core/keys"
)

// run is one exchange of CPace in a session. The session id of the first is the
// handshake's hash; that of each further one is derived from the one before and
// the points that were exchanged under it.
type run struct {
	session []byte
	role    role
	party   *cpace.Party
	guest   [cpace.PointSize]byte // the points, in the order they were sent
	host    [cpace.PointSize]byte
	keys    *cpace.Keys
}

// newRun begins a run after before, which is nil for the first of a session.
func newRun(e env.Env, inv *Invitation, s *secured, before *run, code string, r role) *run {
	n := &run{session: s.hash, role: r}
	if before != nil {
		next := keys.SumLabel("echospace invite next run", before.session, before.guest[:], before.host[:])
		n.session = next[:]
	}
	n.party = cpace.New(e, cpace.Context{
		Code:    []byte(code),
		Channel: append([]byte("echospace invite v1 "), inv.ID[:]...),
		Session: n.session,
	}, []byte(r))
	if r == roleGuest {
		n.guest = n.point()
	} else {
		n.host = n.point()
	}
	return n
}

// initiate takes the host's point.
func (r *run) initiate(host [cpace.PointSize]byte) (err error) {
	r.host = host
	r.keys, err = r.party.Initiate(cpace.Message{Point: host, Data: []byte(r.role.peer())})
	return err
}

// respond takes the guest's point.
func (r *run) respond(guest [cpace.PointSize]byte) (err error) {
	r.guest = guest
	r.keys, err = r.party.Respond(cpace.Message{Point: guest, Data: []byte(r.role.peer())})
	return err
}

// role tells the two sides of a run apart in what its keys bind.
type role string

const (
	roleGuest role = "guest"
	roleHost  role = "host"
)

// peer is the other role.
func (r role) peer() role {
	if r == roleGuest {
		return roleHost
	}
	return roleGuest
}

// point is the own CPace message.
func (r *run) point() [cpace.PointSize]byte { return r.party.Message().Point }
