package invite

import (
	"bytes"
	"slices"
	"time"

	"github.com/echospace/echospace/core/errs"
)

// admission is a guest that was admitted and has not yet said that the space is
// open. It is kept so that a guest whose network broke just then can come back:
// it authenticates again and gets the same payload if its Introduction.Body is
// the same.
type admission struct {
	guest   *guestLink // nil while it is lost
	since   time.Time  // when it was lost
	body    []byte
	payload []byte
}

// maxAdmissions bounds what a multi-use host remembers of lost guests.
const maxAdmissions = 64

// introduce takes a guest's introduction: the caller is asked, unless the
// answer is known.
func (h *Host) introduce(g *guestLink, in Introduction) {
	if h.inv.Auth == KnownPublicKey && !h.knows(g, in) {
		h.refuse(g, errs.WrongGuest, nil)
		return
	}
	g.stage, g.intro = stageIntroduced, in
	for _, a := range h.admissions {
		if bytes.Equal(a.body, in.Body) {
			a.guest = g
			h.hand(g, a.payload)
			return
		}
	}
	h.waiting = append(h.waiting, g)
}

// ask asks the caller to admit whoever waits: of a single-use invitation one at
// a time, and nobody once somebody was admitted.
func (h *Host) ask() {
	for h.ended == nil && len(h.waiting) > 0 {
		g := h.waiting[0]
		switch {
		case !h.live(g):
		case !h.inv.MultiUse && len(h.admissions) > 0:
			h.refuse(g, errs.InvitationUsed, nil)
		case !h.inv.MultiUse && len(h.asking) > 0:
			return
		default:
			h.asking[g.conn] = g
			h.out.Admit = append(h.out.Admit, Admit{Conn: g.conn, Introduction: g.intro, Binding: g.sec.binding()})
		}
		h.waiting = h.waiting[1:]
	}
}

// Admitted answers an Admit: the credential is stored, payload is for the
// guest. It stands even if the guest is gone by now. Of a single-use invitation
// all others are told errs.InvitationUsed. After the end of the host, or for a
// Conn that was not asked for, it fails with errs.Closed: then the caller has
// admitted somebody who will not hear of it. A payload over MaxMessage is an
// errs.TooLarge, and the Admit is still to be answered.
func (h *Host) Admitted(c Conn, payload []byte) error {
	g, err := h.asked("invite.Admitted", c, payload)
	if err != nil {
		return err
	}
	a := &admission{body: g.intro.Body, payload: payload, since: h.now}
	if len(h.admissions) >= maxAdmissions {
		h.admissions = h.admissions[1:]
	}
	h.admissions = append(h.admissions, a)
	if h.live(g) {
		a.guest = g
		h.hand(g, payload)
	}
	if !h.inv.MultiUse {
		for _, o := range slices.Clone(h.guests) {
			if o != g {
				h.refuse(o, errs.InvitationUsed, nil)
			}
		}
	}
	h.settle()
	return nil
}

// Known answers an Admit: the guest is a member already. It takes nobody's
// place, but is handed the payload all the same, since it may have lost the
// space between its admission and its own store. One that has the space ends
// with errs.AlreadyMember, and the host waits for the next; for one that opens
// it, the invitation has done what it was for. Errors are those of Admitted.
func (h *Host) Known(c Conn, payload []byte) error {
	g, err := h.asked("invite.Known", c, payload)
	if err != nil {
		return err
	}
	if h.live(g) {
		g.stage = stageKnown
		g.ch.push(message{typ: msgKnown, payload: payload})
	}
	h.settle()
	return nil
}

// asked takes the answer to an Admit: it gives the guest that c names.
func (h *Host) asked(op string, c Conn, payload []byte) (*guestLink, error) {
	g := h.asking[c]
	switch {
	case len(payload) > MaxMessage:
		return nil, errs.New(op, errs.TooLarge, "a payload of %d bytes, limit %d", len(payload), MaxMessage)
	case h.ended != nil:
		return nil, errs.New(op, errs.Closed, "the invitation has ended as %v", h.ended.State)
	case g == nil:
		return nil, errs.New(op, errs.Closed, "the guest %x was not to be admitted", c.Session)
	}
	delete(h.asking, c)
	return g, nil
}

// Refused answers an Admit with no: the guest ends with an error of that kind
// and the payload, the host waits for the next. For errs.AlreadyMember, where
// Known has nothing to hand over, the payload is the space's key.
func (h *Host) Refused(c Conn, kind errs.Kind, payload []byte) {
	g := h.asking[c]
	delete(h.asking, c)
	if g == nil || h.ended != nil {
		return
	}
	if h.live(g) {
		h.refuse(g, kind, payload)
	}
	h.settle()
}

func (h *Host) refuse(g *guestLink, kind errs.Kind, payload []byte) {
	if !g.over && g.stage > stageHello {
		h.out.Dropped = append(h.out.Dropped, Dropped{Conn: g.conn, Err: final(kind)})
	}
	g.tell(h.now, kind, payload)
}

// hand gives an admitted guest its payload.
func (h *Host) hand(g *guestLink, payload []byte) {
	g.stage = stageAdmitted
	g.ch.push(message{typ: msgAdmitted, payload: payload})
}

// opened is the guest's word that the space is open there: Success. Somebody
// who is being admitted meanwhile comes before who was a member already.
func (h *Host) opened(g *guestLink) {
	h.admissions = slices.DeleteFunc(h.admissions, func(a *admission) bool { return a.guest == g })
	g.over, g.overAt = true, h.now
	if h.ended != nil {
		return
	}
	switch {
	case h.inv.MultiUse:
		h.steps.jump(Success)
	case g.stage == stageKnown && h.committed():
	default:
		h.finish(&Ended{State: Success}, errs.InvitationUsed)
	}
}

// giveUpReturns stops waiting for admitted guests that were lost. A single-use
// invitation has then done what it was for.
func (h *Host) giveUpReturns() {
	lost := func(a *admission) bool { return a.guest == nil && h.now.Sub(a.since) >= returnLimit }
	if slices.ContainsFunc(h.admissions, lost) && !h.inv.MultiUse {
		h.finish(&Ended{State: Success}, errs.InvitationUsed)
	}
	h.admissions = slices.DeleteFunc(h.admissions, lost)
}
