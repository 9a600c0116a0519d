package credential

import (
	"maps"
	"math"
	"slices"

	"github.com/echospace/echospace/core/id"
)

// This file is the twin's part on removals beside others.

// target gives whose rights a removal takes, and whether it takes the role.
func (t *twin) target(i int) (identity id.IdentityKey, role, ok bool) {
	switch c := t.c[i].Claim.(type) {
	case Remove:
		return c.Identity, true, true
	case RevokeDevice:
		return c.Identity, false, true
	case SetRole:
		had, _, member := t.member(c.Identity, t.past[i])
		return c.Identity, true, member && c.Role > had
	}
	return identity, false, false
}

// left are the removals that hold and are not taken.
func (t *twin) left() (list []int) {
	for i := range t.c {
		_, _, is := t.target(i)
		if _, taken := t.taken[i]; is && !taken && in(t.holds, i) {
			list = append(list, i)
		}
	}
	return list
}

// supposing calls f in a world in which these are taken too.
func (t *twin) supposing(list []int, as map[int]twinAuth, f func()) {
	before := maps.Clone(t.taken)
	for _, i := range list {
		t.taken[i] = as[i]
	}
	t.judge()
	f()
	t.taken = before
	t.judge()
}

func (t *twin) rounds() {
	for list := t.left(); len(list) > 0; list = t.left() {
		highest := Role(math.MaxUint8)
		as := map[int]twinAuth{}
		for _, i := range list {
			highest = min(highest, t.auth[i].role)
			as[i] = t.auth[i]
		}
		t.round(slices.DeleteFunc(list, func(i int) bool { return as[i].role != highest }), as)
	}
}

func (t *twin) round(list []int, as map[int]twinAuth) {
	ends := map[int]uint64{}
	for _, i := range list {
		t.supposing([]int{i}, as, func() {
			for _, j := range list {
				if !in(t.holds, j) {
					ends[i] |= bit(j)
				}
			}
		})
	}
	reaches := maps.Clone(ends)
	for range list {
		for _, i := range list {
			for _, j := range list {
				if in(reaches[i], j) {
					reaches[i] |= reaches[j]
				}
			}
		}
	}
	type circle struct {
		all, take []int
		owner     int
	}
	var circles []circle
	owners, admissions := t.soberOwners()
	for _, i := range list {
		var c circle
		for _, j := range list {
			if i == j || in(reaches[i], j) && in(reaches[j], i) {
				c.all = append(c.all, j)
			}
		}
		if c.all[0] != i {
			continue
		}
		free := true
		for _, o := range list {
			for _, j := range c.all {
				free = free && (slices.Contains(c.all, o) || !in(ends[o], j))
			}
		}
		if !free {
			continue
		}
		t.supposing(c.all, as, func() {
			for _, j := range c.all {
				if t.hasWitness(j, c.all, ends) {
					c.take = append(c.take, j)
				}
			}
		})
		if len(c.all) == 1 || len(c.take) == 0 {
			c.take = c.all
		}
		c.owner = math.MaxInt
		for _, j := range c.take {
			who, role, _ := t.target(j)
			if at := slices.Index(owners, who); role && at >= 0 {
				c.owner = min(c.owner, admissions[at])
			}
		}
		circles = append(circles, c)
	}
	slices.SortFunc(circles, func(a, b circle) int {
		if a.owner != b.owner {
			return b.owner - a.owner
		}
		return a.all[0] - b.all[0]
	})
	for _, c := range circles {
		t.take(c.take, as)
	}
}

func (t *twin) hasWitness(r int, circle []int, ends map[int]uint64) bool {
	for p := range t.c {
		if !in(t.holds, p) || !in(t.past[p], r) || t.auth[p].role < Owner || t.auth[p].role > Editor {
			continue
		}
		good := true
		for _, o := range circle {
			who, role, _ := t.target(o)
			if in(ends[o], r) && in(t.past[p], o) || t.c[o].Issuer == t.c[p].Issuer || role && who == t.auth[p].identity {
				good = false
			}
		}
		if good {
			return true
		}
	}
	return false
}

// soberOwners are the OWNERs if of all removals the taken alone held, with their
// admissions.
func (t *twin) soberOwners() (list []id.IdentityKey, admissions []int) {
	t.sober = true
	t.judge()
	list = t.owners(t.holds)
	for _, o := range list {
		_, admission, _ := t.member(o, t.holds)
		admissions = append(admissions, admission)
	}
	t.sober = false
	t.judge()
	return list, admissions
}

func (t *twin) take(list []int, as map[int]twinAuth) {
	try := func(take, drop []int) bool {
		taken, dropped := maps.Clone(t.taken), maps.Clone(t.dropped)
		for _, i := range take {
			t.taken[i] = as[i]
		}
		for _, i := range drop {
			t.dropped[i] = true
		}
		t.judge()
		if owners, _ := t.soberOwners(); len(owners) > 0 {
			return true
		}
		t.taken, t.dropped = taken, dropped
		t.judge()
		return false
	}
	if try(list, nil) {
		return
	}
	owners, _ := t.soberOwners()
	for _, o := range owners {
		var take, drop []int
		for _, i := range list {
			if who, role, _ := t.target(i); role && who == o {
				drop = append(drop, i)
			} else {
				take = append(take, i)
			}
		}
		if len(drop) > 0 && try(take, drop) {
			return
		}
	}
	if !try(nil, list) {
		panic("no OWNER is left")
	}
}
