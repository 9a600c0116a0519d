package credential

import (
	"strconv"

	"github.com/echospace/echospace/core/errs"
)

// Role is what a member may do. A lower number is more; the numbers are fixed
// for good.
type Role uint8

const (
	// Owner may do everything.
	Owner Role = 1
	// Admin admits up to ADMIN, and removes and changes those below.
	Admin Role = 2
	// Editor reads and writes.
	Editor Role = 3
	// Reader reads.
	Reader Role = 4
	// Keeper stores and forwards what it cannot read.
	Keeper Role = 5
)

// String gives "OWNER" and so on, and "ROLE_n" for an unknown number.
func (r Role) String() string {
	switch r {
	case Owner:
		return "OWNER"
	case Admin:
		return "ADMIN"
	case Editor:
		return "EDITOR"
	case Reader:
		return "READER"
	case Keeper:
		return "KEEPER"
	}
	return "ROLE_" + strconv.Itoa(int(r))
}

// ParseRole reads what String gives for a known role, in upper case. Anything
// else is an errs.InvalidArgument.
func ParseRole(s string) (Role, error) {
	for r := Owner; r <= Keeper; r++ {
		if r.String() == s {
			return r, nil
		}
	}
	return 0, errs.New("credential.ParseRole", errs.InvalidArgument, "role %q is none of OWNER, ADMIN, EDITOR, READER, KEEPER", s)
}

// mayGrant: nobody grants more than their own role.
func (r Role) mayGrant(grant Role) bool {
	return r.mayAdmit() && grant >= r && grant <= Keeper
}

func (r Role) mayAdmit() bool { return r == Owner || r == Admin }

// mayRemove tells whether r may remove or revoke in the name of a member of
// that role.
func (r Role) mayRemove(target Role) bool {
	return r == Owner || r == Admin && target > Admin
}

// maySet tells whether r may change a member's role.
func (r Role) maySet(from, to Role) bool { return r.mayRemove(from) && r.mayGrant(to) }

func (r Role) mayWrite() bool { return r >= Owner && r <= Editor }

func (r Role) mayRead() bool { return r >= Owner && r <= Reader }
