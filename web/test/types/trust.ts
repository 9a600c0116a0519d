// What callers can and cannot write about credentials, the audit log and invitations.

import {
  type AuditEntry,
  type CancellableInvitation,
  type Client,
  type Credential,
  InvitationEncoder,
  type Observable,
  type Presentation,
  type PublicKey,
  type Role,
  type Space,
  verifyPresentation,
} from '@echospace/client';

export async function present(client: Client, nonce: Uint8Array): Promise<Uint8Array> {
  const all: Observable<Credential[]> = client.halo.queryCredentials();
  const roles: (Role | undefined)[] = client.halo
    .queryCredentials({ type: ['MEMBER', 'SET_ROLE'], spaceKey: 'abc' })
    .get()
    .map(({ role }) => role);
  // @ts-expect-error there is no such type
  client.halo.queryCredentials({ type: 'BADGE' });
  // @ts-expect-error a nonce is needed
  await client.halo.presentCredentials({ ids: [] });
  void roles;
  return client.halo.presentCredentials({
    ids: all.get().map(({ id }) => id),
    nonce,
    audience: 'x',
    lifetime: 1,
  });
}

export async function verify(
  bytes: Uint8Array,
  nonce: Uint8Array,
  space: PublicKey,
): Promise<Role | undefined> {
  const shown: Presentation = await verifyPresentation(bytes, {
    nonce,
    trust: [space, 'abc'],
    audience: 'x',
  });
  // @ts-expect-error without a nonce anything is a replay
  await verifyPresentation(bytes, {});
  // @ts-expect-error what is shown cannot be changed
  shown.identityKey = space;
  return shown.spaces.find(({ spaceKey }) => spaceKey.equals(space))?.role;
}

export async function audit(space: Space): Promise<string[]> {
  const log: AuditEntry[] = await space.audit();
  space.auditLog.subscribe((entries) => entries.map(({ valid }) => valid));
  // @ts-expect-error nobody does that
  log.filter(({ action }) => action === 'BLESSED');
  return log.map(({ by, action, subject }) => `${by?.displayName} ${action} ${subject.identityKey.toHex()}`);
}

export async function invite(space: Space, guestKey: PublicKey): Promise<string> {
  const invitation: CancellableInvitation = space.createInvitation({
    authMethod: 'KNOWN_PUBLIC_KEY',
    guestKey,
    role: 'READER',
  });
  const link: string = InvitationEncoder.toLink(invitation.get(), { base: new URL('https://example.org') });
  // @ts-expect-error a code alone may be anything
  InvitationEncoder.toLink(invitation.get().code);
  // @ts-expect-error there is no such role
  space.createInvitation({ role: 'KING' });
  return link + (await InvitationEncoder.toSvg(invitation.get(), { label: 'scan me' }));
}
