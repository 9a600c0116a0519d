import type { Problem } from './db/definition.js';
import { PublicKey } from './keys.js';

/**
 * The kinds of failure and their numbers, mirrored from `core/errs/kind.go`.
 * Numbers are fixed for good.
 */
export const errorKinds = {
  OK: 0,
  INTERNAL: 1,
  CRASHED: 2,
  CANCELLED: 3,
  TIMEOUT: 4,
  INVALID_ARGUMENT: 5,
  NOT_FOUND: 6,
  CLOSED: 7,
  NOT_INITIALIZED: 8,
  TOO_LARGE: 9,
  VERSION_UNSUPPORTED: 10,
  INSECURE_CONTEXT: 11,
  UNSUPPORTED_VALUE: 12,
  UNSUPPORTED_BROWSER: 13,
  WASM_UNAVAILABLE: 14,
  UNSUPPORTED: 15,
  STORAGE_FULL: 20,
  STORAGE_UNAVAILABLE: 21,
  STORAGE_CORRUPT: 22,
  WRONG_PASSPHRASE: 23,
  PASSPHRASE_REQUIRED: 24,
  NO_IDENTITY: 30,
  IDENTITY_EXISTS: 31,
  NOT_PERMITTED: 32,
  SPACE_CLOSED: 33,
  BAD_KEY: 34,
  BAD_SIGNATURE: 35,
  BAD_CREDENTIAL: 36,
  DECRYPT_FAILED: 37,
  KEY_UNAVAILABLE: 38,
  INVALID_PHRASE: 39,
  INVALID_INVITATION: 40,
  WRONG_AUTH_CODE: 41,
  TOO_MANY_ATTEMPTS: 42,
  ALREADY_MEMBER: 43,
  CANCELLED_BY_HOST: 44,
  INVITATION_EXPIRED: 45,
  INVITATION_USED: 46,
  HOST_UNREACHABLE: 47,
  GUEST_GONE: 48,
  WRONG_GUEST: 49,
  PROOF_EXPIRED: 50,
  PROOF_REPLAYED: 51,
  MALFORMED: 60,
  CORRUPT_BLOCK: 61,
  WRONG_SEQUENCE: 62,
  FEED_FORKED: 63,
  UNKNOWN_FEED: 64,
  MISSING_DEPENDENCY: 65,
  OFFLINE: 80,
  RELAY_UNREACHABLE: 81,
  RELAY_REFUSED: 82,
  CHANNEL_NOT_BOUND: 83,
  HANDSHAKE_FAILED: 84,
  PEER_MISBEHAVED: 85,
  PEER_UNREACHABLE: 86,
} as const;

/** What went wrong, as a word to branch on. */
export type ErrorCode = Exclude<keyof typeof errorKinds, 'OK'>;

const codesByKind = new Map<number, ErrorCode>(
  Object.entries(errorKinds).map(([code, kind]) => [kind, code as ErrorCode]),
);

/**
 * The one error of Echospace. Branch on {@link EchospaceError.code}; the message
 * is for the developer: what failed, with which value, and what to do.
 */
export class EchospaceError extends Error {
  /** What went wrong. */
  readonly code: ErrorCode;
  /** With WRONG_AUTH_CODE: how many guesses the invitation has left. */
  declare readonly attemptsLeft?: number;
  /** With ALREADY_MEMBER: the space that the identity is in. */
  declare readonly spaceKey?: PublicKey;
  /** With PASSPHRASE_REQUIRED and WRONG_PASSPHRASE of a locked profile: whether a passphrase opens it. */
  declare readonly passphrase?: boolean;
  /** Likewise, how many passkeys open it. */
  declare readonly passkeys?: number;
  /**
   * With INVALID_PHRASE: not twelve words; a word that is in no phrase, or another one than
   * that of the phrase; words of which one is another, or some in another order.
   */
  declare readonly reason?: 'length' | 'word' | 'checksum';
  /** With INVALID_PHRASE and reason `word`: the number of the first such word, from 1 on. */
  declare readonly word?: number;
  /**
   * With UNSUPPORTED_VALUE, and with INVALID_ARGUMENT of an object that has a type:
   * where in the value, such as `owner.address`.
   */
  declare readonly path?: string;
  /** With INVALID_ARGUMENT of an object that has a type: all that is wrong. */
  declare readonly problems?: readonly Problem[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EchospaceError';
    this.code = code;
    for (const [key, value] of Object.entries(options.details ?? {})) {
      if (!(key in this)) Object.defineProperty(this, key, { value: detail(key, value), enumerable: true });
    }
  }
}

/** Keys arrive from the core as bytes; callers work with {@link PublicKey}. */
function detail(key: string, value: unknown): unknown {
  const isKey = value instanceof Uint8Array && value.length === PublicKey.size && key.endsWith('Key');
  return isKey ? PublicKey.from(value) : value;
}

/** Makes an EchospaceError of whatever the core threw or rejected with. */
export function toEchospaceError(raw: unknown): EchospaceError {
  if (raw instanceof EchospaceError) return raw;
  if (!(raw instanceof Error)) return new EchospaceError('INTERNAL', String(raw), { cause: raw });
  const { code, ...details } = { ...raw } as Record<string, unknown>;
  const known = typeof code === 'string' && code !== 'OK' && code in errorKinds;
  return new EchospaceError(known ? (code as ErrorCode) : 'INTERNAL', raw.message, { cause: raw, details });
}

/** Makes an EchospaceError of a kind's number, as the hot path reports it. */
export function errorOfKind(kind: number, message: string): EchospaceError {
  return new EchospaceError(codesByKind.get(kind) ?? 'INTERNAL', message || `kind ${kind}`);
}

/** Hands an error that no caller waits for to the page's global handler. */
export function reportUncaught(error: unknown): void {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(error);
  else
    queueMicrotask(() => {
      throw error;
    });
}
