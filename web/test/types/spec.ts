// The samples of the documentation, as a type-checked caller writes them.

import {
  type AuthenticatingInvitation,
  Client,
  InvitationEncoder,
  type PublicKey,
  type Space,
} from '@echospace/client';

export async function host(): Promise<{ code: string; authCode: string | undefined }> {
  const client = new Client();
  await client.initialize();
  if (!client.halo.identity.get()) await client.halo.createIdentity();
  const space = await client.createSpace();
  const invitation = space.createInvitation();
  const code: string = InvitationEncoder.encode(invitation.get());
  const authCode = invitation.get().authCode;
  return { code, authCode };
}

export async function guest(code: string, authCode: string): Promise<Space | undefined> {
  const client = new Client();
  await client.initialize();
  if (!client.halo.identity.get()) await client.halo.createIdentity();
  const receivedInvitation = InvitationEncoder.decode(code);
  const invitation: AuthenticatingInvitation = client.acceptInvitation(receivedInvitation);
  await invitation.authenticate(authCode);
  // biome-ignore lint/style/noNonNullAssertion: as the documentation writes it.
  return client.getSpace(invitation.get().spaceKey!);
}

export function lists(client: Client, key: PublicKey): void {
  const all: Space[] = client.spaces.get();
  const one: Space | undefined = client.spaces.get(key);
  const byText: Space | undefined = client.spaces.get('abc');
  client.spaces.subscribe((spaces) => spaces.map((space) => space.key.toHex()));
  void [all, one, byText];
}
