// Package credential holds the signed claims that make up a space's control
// state, and the rules that turn a set of them into members, roles and
// devices. It does no I/O.
//
// In order of use: a [Claim] is signed by [Issue] and read by [Decode];
// [Evaluate] turns a set of credentials into a [Membership]; [VerifyChain]
// follows an identity to one of its devices, and [Membership.Proof] with
// [VerifyProof] shows one peer that another is a member without the rest of
// the set. [Membership.Audit] tells who did what; [Present] and
// [VerifyPresentation] show chosen credentials to somebody who holds nothing else.
//
// # Formats
//
// In the subset of package wire; what decodes encodes to the same bytes.
//
//	credential = [bin signed, bin64 signature]
//	signed     = [1, bin32 issuer, [bin32 parent...], time, claim]
//	proof      = [1, [credential as bin...]]
//
//	presentation = [bin presented, bin64 signature]
//	presented    = [1, identity, device, bin nonce, str audience, issued, expires,
//	                [bin...], [bin...], [[bin proof, [bin32 id...]]...]]
//
//	claim, by its type number:
//	[1, space, identity, bin16 control]                      Genesis
//	[2, identity, device, bin32 sealing, str label]          Device
//	[3, identity, role, bin16 invitation, [bin...], str]     Member
//	[4, identity, role, cuts]                                SetRole
//	[5, identity, cuts]                                      Remove
//	[6, identity, device, cuts]                              RevokeDevice
//	[7, bin16 key, [bin16...], bool, [[device, bin]...]]     Epoch
//	[8, identity, bin32 key, bin32 sealing, bin64]           Recovery
//	[9, identity, bin32 key, bin]                            RecoveryEnvelope
//	[10, identity, str name, bin fields]                     Profile
//	[11, bin16, role, bool multi, expires, bin]              Invitation
//	[12, bin16, reason]                                      Spent
//	[13, feed, heads]                                        CloseFeed
//
// Keys and feeds are bin32; cuts and heads are [[feed, seq, hash]...]. Lists
// are ascending as byte strings, without duplicates (refs by feed, then hash),
// except a Member's chain, which is in order of issue. The signature is
// Ed25519 by the issuer over "echospace credential" ‖ 0 ‖ signed; the id is the
// BLAKE2b-256 of signed. Parents are the heads that the issuer knew, and the
// Genesis. The signature in a Recovery is Ed25519 by the recovery key over
// "echospace recovery claim" ‖ 0 ‖ identity ‖ sealing: who knows a recovery key by
// its public half alone cannot make it one of another identity, and have the person
// who holds it recover that.
//
// In a presentation the lists are: the chain from the identity key to the device
// that presents; the presented credentials of type Device and Recovery; and, by
// space, the ids of the presented others with a proof that holds them. Its
// signature is Ed25519 by the device over "echospace presentation" ‖ 0 ‖ presented.
// The nonce has 16 to 64 bytes; times are milliseconds since 1970.
//
// # What a presentation shows
//
// That the device, which signed the nonce between the two times, acts for the
// identity; and that each presented credential is about it or was issued by it, and
// held in its space when it was issued. All but Device and Recovery must follow the
// founding of that space, which every credential names among its parents: else an
// ADMIN of two spaces would have admitted to both whom it admitted to one. What came
// later, a removal above all, the presenter can leave out. Whoever is shown a
// presentation learns the names and keys of those who admitted the presenter, and of
// those who admitted them; and can show it to others, who refuse it by its nonce.
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
//   - SetRole, for a member in its past: OWNERs set any role; ADMINs set EDITOR,
//     READER and KEEPER, and raise these to ADMIN. Remove, of a member in its
//     past: OWNERs anybody; ADMINs EDITOR, READER, KEEPER; everybody themselves.
//     Neither counts if it leaves no OWNER in its own past.
//   - RevokeDevice: by a device or recovery key of the identity, or by whoever
//     may remove the identity, a member in its past.
//   - Profile, RecoveryEnvelope: by a member's own device.
//     CloseFeed: by any member. Invitation and Spent: by whoever may invite.
//   - Epoch with a new key: by whoever writes; with a key known in its past
//     (sealed again): by whoever reads.
//
// A key that is claimed for several identities acts for that which has the highest
// role and may do it, else for the least as a byte string.
//
// Concurrent credentials: a grant is an admission or a SetRole. It is beyond a
// Remove or RevokeDevice if the two are concurrent, and the other is by somebody
// else than its identity, who may not remove the role that the grant gives: nobody
// unseats an OWNER by what is signed as of before it was one. A Remove ends all
// admissions that do not follow it, save one that is beyond it, or that a SetRole
// beyond it follows. A SetRole counts as long as an admission does that it follows.
// A RevokeDevice by another counts for nothing while a grant beyond it counts. Of
// the grants that count and that none other of these follows, that by the higher
// authority holds; among equals one that their issuers may not remove, then a
// SetRole before an admission, the lower role of SetRoles, the higher of
// admissions, the senior.
//
// # Removals beside others
//
// A removal is a Remove, a RevokeDevice, or a SetRole to less than the member had
// in the past of it. Once it is taken, it voids what is concurrent with it and was
// issued
//
//   - Remove: in the name of the removed by a device of it, unless in the past of
//     that a grant beyond the removal counts;
//   - RevokeDevice: by the device or recovery key, in the name of the identity,
//     with the same exception;
//   - SetRole: in the name of the member by a device of it, if its role was one
//     that the issuer of the SetRole may remove, and the new role would not do.
//
// What rests on something void is void. Removals are taken in rounds until none
// is left that holds. One that was taken or dropped stays so, whatever comes
// after. A round goes over the removals that hold, that are neither taken nor
// dropped, and whose issuer has the highest authority among these: a recovery key,
// then the roles from OWNER to KEEPER, then no member.
//
//  1. One ends another if, were it taken too, the other would not hold. Those that
//     end one another, in pairs or by way of others, make up a circle; any other is
//     a circle of its own.
//  2. Every circle is taken whose removals none outside it ends: all in it, so that
//     all those whom they take from lose what they take.
//  3. But if some removals of a circle of several have a witness and others have
//     none, those with one are taken alone. The others, being ended by them, fall:
//     so a removal signed late, beside one on which others built, does nothing. A
//     witness is a credential that holds if all of the circle are taken, follows
//     the removal and none of the circle that ends it, and is issued in the name of
//     an OWNER, ADMIN or EDITOR from whom none of the circle takes the role or the
//     membership, by a key that issued none of the circle.
//  4. The circles of a round are taken one after the other: those first that take
//     no OWNER's role; then by the senior of the OWNERs whose role they take, the
//     junior of these first; then the one with the senior removal. OWNERs are here,
//     and in the next sentences, those that there would be if of all removals the
//     taken alone held. Seniority of members is that of their first admission that
//     counts.
//  5. If taking a circle leaves no OWNER, then the senior OWNER stays: the removals
//     of the circle that take its role are dropped, the others taken. Should that
//     leave none either (what admitted it is void), it is the next OWNER whose role
//     the circle takes; if none of them stays so, the circle is dropped.
//
// # Delegated invitations
//
// An admission that names an invitation is by a delegated one if it follows an
// Invitation credential for that id which holds; the senior of these says what
// the invitation is. Such an admission is void
//
//   - if it follows a Spent for the id, or a Remove or RevokeDevice that the
//     Invitation does not follow: whoever went knew the code. What is concurrent
//     with these stands, since the host could not know;
//   - if the invitation is not Multi, and a senior admission by it holds which it
//     follows, or which is concurrent and by somebody who may remove the role that
//     the junior grants.
//
// Any other admission that names an invitation is judged as if it named none.
// Whoever answered handed out keys: so what is void by these rules alone is among
// the heads, and a new key is due that follows it and what makes it void. The same goes
// for an admission or SetRole that only a demotion beside it voids, which makes no new
// keys by itself. Expires decides nothing here.
//
// # Who wrote under what is void
//
// A grant can hold when somebody writes by it, and others build on that, and be void by
// what came beside it. [Membership.Author] and [Membership.Limit] therefore look at a
// device that may not write by all credentials as it stood by that grant and what the
// grant follows, with the links of the identity: if it might write then, its feeds are
// taken in, and what it wrote counts as far as somebody built on it under a key that was
// introduced without what makes the grant void.
//
// # Caveats
//
// Cuts are no part of this: [Membership.Limit] gives them to whoever judges blocks, and
// says which of them are heard. A proof shows nothing of a space unless all in it follow
// the founding, as in a presentation.
//
// Rules that ask what an issuer knew believe its parents. So an OWNER who was put
// out and signs late falls, if anybody who writes built on its removal; if nobody
// did, or if one who writes helps it, it is a circle, and both are out. An ADMIN can
// use a delegated invitation for one a second time as of before the first, and so
// unseat whom that admitted, also if an OWNER raised it since: the OWNER sees it in
// the log, and admits again.
//
// A device does not countersign: an identity can claim a foreign device key.
// That gives the key's holder that identity's rights and takes none away; see
// [Membership.Device] for which member is shown.
package credential
