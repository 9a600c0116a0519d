import { wasmAddress } from './client.js';
import { credentialOf } from './credentials.js';
import { PublicKey } from './keys.js';
import { openRuntime } from './runtime.js';
import type { Presentation, Role, VerifyOptions } from './types.js';

/**
 * Checks what `halo.presentCredentials` of somebody else's client made, with nothing
 * but it and the nonce that was asked with. Needs no client, identity or network.
 *
 * It shows what was so, not that it still is: whoever presents can leave out that they
 * were removed meanwhile. A nonce must be drawn anew for each question, and be accepted
 * once.
 *
 * @throws PROOF_REPLAYED for another nonce or audience; PROOF_EXPIRED; NOT_PERMITTED for
 *   nobody that is trusted; BAD_SIGNATURE, BAD_CREDENTIAL, BAD_KEY or MALFORMED for what
 *   was altered or does not hold; VERSION_UNSUPPORTED; INVALID_ARGUMENT.
 */
export async function verifyPresentation(
  presentation: Uint8Array | ArrayBuffer,
  options: VerifyOptions,
): Promise<Presentation> {
  const { nonce, audience, trust = [], now = Date.now(), wasmUrl } = options;
  const runtime = await openRuntime(wasmAddress({ config: { ...(wasmUrl && { wasmUrl }) } }));
  const keys = trust.map((key) => PublicKey.from(key).asUint8Array());
  const { identityKey, deviceKey, spaces, credentials, ...rest } = runtime.call(() =>
    runtime.api.verifyPresentation(presentation, {
      nonce,
      now,
      trust: keys,
      ...(audience !== undefined && { audience }),
    }),
  );
  return {
    ...rest,
    identityKey: PublicKey.from(identityKey),
    deviceKey: PublicKey.from(deviceKey),
    spaces: spaces.map(({ spaceKey, role }) => ({ spaceKey: PublicKey.from(spaceKey), role: role as Role })),
    credentials: credentials.map(credentialOf),
  };
}
