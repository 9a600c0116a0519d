// Package credential holds the signed claims that make up a space's control
// state, and the rules that turn a set of them into members, roles and
// devices. It does no I/O.
//
// In order of use: a [Claim] is signed by [Issue] and read by [Decode];
// [Evaluate] turns a set of credentials into a [Membership]; [VerifyChain]
// follows an identity to one of its devices, and [Membership.Proof] with
// [VerifyProof] shows one peer that another is a member without the rest of
// the set.
//
// # Formats
//
// In the subset of package wire; what decodes encodes to the same bytes.
//
//	credential = [bin signed, bin64 signature]
//	signed     = [1, bin32 issuer, [bin32 parent...], time, claim]
//	proof      = [1, [credential as bin...]]
//
//	claim, by its type number:
//	[1, space, identity, bin16 control]                      Genesis
//	[2, identity, device, bin32 sealing, str label]          Device
//	[3, identity, role, bin16 invitation, [bin...], str]     Member
//	[4, identity, role]                                      SetRole
//	[5, identity, cuts]                                      Remove
//	[6, identity, device, cuts]                              RevokeDevice
//	[7, bin16 key, [bin16...], bool, [[device, bin]...]]     Epoch
//	[8, identity, bin32 key]                                 Recovery
//	[9, identity, bin]                                       RecoveryEnvelope
//	[10, identity, str name, bin fields]                     Profile
//	[11, bin16, role, bool multi, expires, bin]              Invitation
//	[12, bin16, reason]                                      Spent
//	[13, feed, heads]                                        CloseFeed
//
// Keys and feeds are bin32; cuts and heads are [[feed, seq, hash]...]. Lists
// are ascending as byte strings, without duplicates (refs by feed, then hash),
// except a Member's chain, which is in order of issue. The signature is
// Ed25519 by the issuer over "echospace credential" ‖ 0 ‖ signed; the id is the
// BLAKE2b-256 of signed.
//
// # What is evaluated
//
// A credential counts if it holds in its causal past: the credentials that its
// parents name, theirs, and so on. One with a parent outside the set is left
// out until that arrives, save Device and Recovery, which may come from
// another space: their unknown parents are passed over. Order of seniority is
// causal depth, then id.
//
//   - Genesis: by the space key; the senior one makes its identity an OWNER.
//   - Device, Recovery: by the identity key, or by a device or recovery key of
//     the identity. Judged where they are used, wherever they stand in the set.
//     A device that another revoked admits nobody any more, except what the
//     revocation already knew; a revoked device key never comes back.
//   - Member: by a device of an OWNER or ADMIN, for no more than its own role,
//     for an identity that is no member in the credential's past, with the
//     chain to a device of it.
//   - SetRole: OWNERs set any role; ADMINs set EDITOR, READER and KEEPER, and
//     raise these to ADMIN. Remove: OWNERs anybody; ADMINs EDITOR, READER,
//     KEEPER; everybody themselves.
//   - RevokeDevice: by a device or recovery key of the identity, or by whoever
//     may remove the identity.
//   - Profile: by a member's own device. RecoveryEnvelope: by whoever reads.
//     CloseFeed: by any member. Invitation and Spent: by whoever may invite;
//     what follows from them is not judged here.
//   - Epoch with a new key: by whoever writes; with a key known in its past
//     (sealed again): by whoever reads.
//
// Concurrent credentials: a removal ends the admissions and roles that it
// precedes, follows or is concurrent with, unless the concurrent one was
// granted above what the remover may remove; only an admission after it
// counts again. A removal, and a revocation of the issuing device, voids what
// the removed issued that the removal did not know, with all that rests on it.
// Removals and revocations are taken one by one in the order recovery key,
// OWNER, ADMIN, others, then seniority; one that an earlier voids is dropped,
// and one that would leave no OWNER is dropped. Of concurrent roles the one by
// the higher authority holds; among equals a SetRole before an admission, the
// lower role of SetRoles, the higher of admissions, the senior.
//
// # Not evaluated yet
//
// Cuts are carried, not applied: a removal knows what is in its causal past
// and nothing else. Of removals that void one another the senior stands and
// the others fall; the rule of the design that all of them stand, and a
// demotion's cut, need blocks' causality and come with the cuts. Single use of
// a delegated invitation is not enforced.
//
// # Caveats
//
// A device does not countersign: an identity can claim a foreign device key.
// That gives the key's holder that identity's rights and takes none away; see
// [Membership.Device] for which member is shown.
package credential
