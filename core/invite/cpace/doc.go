// Package cpace is CPace, a balanced password-authenticated key exchange, as
// the suite CPACE-RISTRETTO255-SHA512 of draft-irtf-cfrg-cpace (CFRG, "CPace, a
// balanced composable PAKE"): two sides that share a short code agree on a
// strong key, and whoever is between them learns nothing that can be tested
// offline.
//
// In order of use: New makes a Party of a Context (the code and what both know
// about the session) and its first Message; Initiate, Respond or Symmetric
// turn the other side's Message into Keys; Keys.Tag and Keys.Verify are the
// explicit key confirmation of the draft, without which nobody knows yet
// whether the codes were equal.
//
// Caveats. A code that differs gives other keys and no error: only Verify
// tells. Each Verify on data of a stranger is one guess of theirs, so the caller
// counts them. A Party serves one run; the session id must be fresh for each.
// Points that are not canonically encoded, and the identity, are refused with
// errs.BadKey, as the draft demands. Nothing here is safe for concurrent use.
package cpace
