// What callers can and cannot write about the HALO.

import type {
  AuthenticatingInvitation,
  CancellableInvitation,
  Client,
  Contact,
  Device,
  Observable,
  PublicKey,
  Space,
} from '@echospace/client';

export async function host(client: Client): Promise<string | undefined> {
  const invitation: CancellableInvitation = client.halo.createInvitation({ multiUse: true, timeout: 1000 });
  const hosted: CancellableInvitation[] = client.halo.invitations.get();
  const identity: PublicKey | undefined = invitation.get().identityKey;
  void [hosted, identity];
  return invitation.get().authCode;
}

export async function guest(client: Client, code: string, authCode: string): Promise<void> {
  const invitation: AuthenticatingInvitation = client.halo.acceptInvitation(code, { timeout: 1000 });
  await invitation.authenticate(authCode);
  // @ts-expect-error a host does not authenticate
  await client.halo.createInvitation().authenticate(authCode);
}

export async function devices(client: Client): Promise<string[]> {
  const device: Device = await client.halo.updateDevice({ label: 'the desk' });
  await client.halo.updateDevice({ kind: 'MOBILE' });
  // @ts-expect-error a device has no such property
  await client.halo.updateDevice({ name: 'the desk' });
  // @ts-expect-error what is shown cannot be changed
  device.label = 'the pocket';
  const list: Observable<Device[]> = client.halo.devices;
  return list.get().map(({ label, kind, current, online }) => `${label} ${kind} ${current && online}`);
}

export function contacts(client: Client): string[] {
  const list: Contact[] = client.halo.contacts.get();
  // @ts-expect-error a contact has no role: members have
  list.filter(({ role }) => role === 'OWNER');
  return list.filter(({ presence }) => presence === 'ONLINE').map(({ displayName }) => displayName ?? '');
}

export async function remove(space: Space): Promise<void> {
  await space.delete();
}
