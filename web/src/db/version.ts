import { EchospaceError } from '../errors.js';
import { Reader } from '../wire.js';

/** The form of an encoded version that is read here (`core/objectdb/version.go`). */
const form = 1;

/**
 * A state of a database, named for good and alike on all devices: a bookmark. As a
 * string, and as JSON, it is a text that can be kept anywhere; {@link Version.from}
 * reads it. Equal versions have equal texts.
 */
export class Version {
  readonly #text: string;
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array, text = toText(bytes)) {
    this.#bytes = bytes;
    this.#text = text;
  }

  /**
   * Reads the text of a version; a version is given back.
   *
   * @throws INVALID_ARGUMENT for any other text; VERSION_UNSUPPORTED for one of a
   *   later Echospace.
   */
  static from(source: Version | string): Version {
    if (source instanceof Version) return source;
    const bytes = typeof source === 'string' ? fromText(source) : undefined;
    if (!bytes || !isVersion(bytes))
      throw new EchospaceError(
        'INVALID_ARGUMENT',
        `Version.from: ${String(source).slice(0, 80)} is no version`,
      );
    return new Version(bytes, source);
  }

  /** @internal */
  static ofBytes(bytes: Uint8Array): Version {
    return new Version(bytes.slice());
  }

  /** @internal */
  static bytesOf(source: Version | string): Uint8Array {
    return Version.from(source).#bytes;
  }

  /** Tells whether `other` is the same version. */
  equals(other: Version | string): boolean {
    return this.#text === String(other);
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): string {
    return this.#text;
  }
}

/** Tells whether bytes are `[form, [[feed, seq, hash]...]]`; whether the blocks exist, the core sees. */
function isVersion(bytes: Uint8Array): boolean {
  try {
    const r = new Reader(bytes);
    const size = r.array();
    const found = r.int();
    if (found !== form)
      throw new EchospaceError(
        'VERSION_UNSUPPORTED',
        `Version.from: the version has form ${found}; this Echospace reads form ${form}`,
      );
    if (size !== 2) return false;
    for (let n = r.array(); n > 0; n--) {
      if (r.array() !== 3 || r.bin().length !== 32 || r.int() < 1 || r.bin().length !== 32) return false;
    }
    return r.done;
  } catch (error) {
    if (error instanceof EchospaceError) throw error;
    return false;
  }
}

function toText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Reads what {@link toText} wrote; undefined for anything else. */
function fromText(text: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) =>
      c.charCodeAt(0),
    );
    return toText(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
