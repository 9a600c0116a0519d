import { isWellFormed } from './db/values.js';
import { EchospaceError } from './errors.js';

/** How to ask a passkey for its secret. Neither is secret itself. */
export interface PasskeyOf {
  readonly credential: Uint8Array;
  readonly salt: Uint8Array;
}

const maxPassphrase = 1024;
const saltSize = 32;

/**
 * The bytes of a passphrase, in Unicode's form C (RFC 8265, section 4.2), so that it is
 * the same from every keyboard. Whoever gets them fills them with zeros.
 */
export function passphraseBytes(what: string, passphrase: unknown): Uint8Array {
  const refuse = (why: string) => new EchospaceError('INVALID_ARGUMENT', `${what}: the passphrase ${why}`);
  if (typeof passphrase !== 'string') throw refuse('must be a string');
  if (passphrase === '') throw refuse('is empty; leave it out for none');
  if (!isWellFormed(passphrase)) throw refuse('has a lone surrogate, which UTF-8 cannot hold');
  const bytes = new TextEncoder().encode(passphrase.normalize('NFC'));
  if (bytes.length > maxPassphrase)
    throw refuse(`has ${bytes.length} bytes, at most ${maxPassphrase} are taken`);
  return bytes;
}

function random(size: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(size));
}

/** Runs a call of WebAuthn, whose failures say little on purpose. */
async function webauthn(
  what: string,
  call: (credentials: CredentialsContainer) => Promise<Credential | null>,
): Promise<PublicKeyCredential> {
  const credentials = globalThis.navigator?.credentials;
  if (!credentials || !globalThis.PublicKeyCredential)
    throw new EchospaceError('UNSUPPORTED_BROWSER', `${what}: this browser has no passkeys`);
  try {
    const made = await call(credentials);
    if (made) return made as PublicKeyCredential;
    throw new EchospaceError('CANCELLED', `${what}: no passkey was given`);
  } catch (cause) {
    if (cause instanceof EchospaceError) throw cause;
    const { name, message } = cause as DOMException;
    const cancelled = name === 'NotAllowedError' || name === 'AbortError';
    throw new EchospaceError(
      cancelled ? 'CANCELLED' : 'UNSUPPORTED_BROWSER',
      cancelled
        ? `${what}: the passkey was not given: it was cancelled, took too long, or is not on this device`
        : `${what}: the browser refuses the passkey: ${message}`,
      { cause },
    );
  }
}

function secretOf(credential: PublicKeyCredential): Uint8Array | undefined {
  const first = credential.getClientExtensionResults().prf?.results?.first;
  if (!first) return undefined;
  return ArrayBuffer.isView(first)
    ? new Uint8Array(first.buffer, first.byteOffset, first.byteLength)
    : new Uint8Array(first);
}

function without(what: string): EchospaceError {
  return new EchospaceError(
    'UNSUPPORTED_BROWSER',
    `${what}: this passkey gives no secret; one whose authenticator has the WebAuthn extension PRF is needed`,
  );
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (c) => ({ '+': '-', '/': '_' })[c] ?? '');
}

/**
 * Asks one of the passkeys for its secret: what its extension PRF (W3C, Web
 * Authentication Level 3, section 10.1.4) makes of its salt.
 */
export async function askPasskey(what: string, among: readonly PasskeyOf[]): Promise<Uint8Array> {
  const answer = await webauthn(what, (credentials) =>
    credentials.get({
      publicKey: {
        challenge: random(saltSize), // nobody checks the signature: the secret is what counts
        allowCredentials: among.map(({ credential }) => ({
          type: 'public-key',
          id: new Uint8Array(credential),
        })),
        userVerification: 'required', // without it the secret is another one
        extensions: {
          prf: {
            evalByCredential: Object.fromEntries(
              among.map(({ credential, salt }) => [base64url(credential), { first: new Uint8Array(salt) }]),
            ),
          },
        },
      },
    }),
  );
  const secret = secretOf(answer);
  if (!secret) throw without(what);
  return secret;
}

/** Has the person make a passkey, and gives its secret too. */
export async function makePasskey(what: string, name: string): Promise<PasskeyOf & { secret: Uint8Array }> {
  const salt = random(saltSize);
  const made = await webauthn(what, (credentials) =>
    credentials.create({
      publicKey: {
        rp: { name: globalThis.document?.title || location.hostname },
        user: { id: random(saltSize), name, displayName: name },
        challenge: random(saltSize),
        pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: 'public-key', alg })),
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
        extensions: { prf: { eval: { first: salt } } },
      },
    }),
  );
  const passkey = { credential: new Uint8Array(made.rawId), salt };
  const secret = secretOf(made);
  if (secret) return { ...passkey, secret };
  if (!made.getClientExtensionResults().prf?.enabled) throw without(what);
  // Some authenticators give the secret only when they are asked for the passkey.
  return { ...passkey, secret: await askPasskey(what, [passkey]) };
}
