const hexDigits = /^(?:[0-9a-f]{2})+$/i;

/** Writes bytes as lower-case hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += (byte < 16 ? '0' : '') + byte.toString(16);
  return hex;
}

/** Reads hexadecimal digits of either case; undefined for any other text. */
export function fromHex(hex: string): Uint8Array | undefined {
  if (!hexDigits.test(hex)) return undefined;
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

/**
 * A public key: of a space, an identity or a device. Immutable. As JSON and as
 * a string it is its hexadecimal form.
 */
export class PublicKey {
  /** Bytes in a key. */
  static readonly size = 32;

  readonly #bytes: Uint8Array;
  #hex: string | undefined;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * Makes a key from 32 bytes (copied), 64 hexadecimal digits of either case, or
   * another key.
   *
   * @throws TypeError if the source is none of these.
   */
  static from(source: PublicKey | Uint8Array | string): PublicKey {
    if (source instanceof PublicKey) return source;
    const bytes = typeof source === 'string' ? fromHex(source) : source.slice();
    if (bytes?.length !== PublicKey.size) {
      throw new TypeError(
        `PublicKey.from: want ${PublicKey.size} bytes or ${2 * PublicKey.size} hexadecimal digits`,
      );
    }
    return new PublicKey(bytes);
  }

  /** Tells whether two keys are the same; false for anything that is not a key. */
  static equals(a: PublicKey | Uint8Array | string, b: PublicKey | Uint8Array | string): boolean {
    try {
      return PublicKey.from(a).toHex() === PublicKey.from(b).toHex();
    } catch {
      return false;
    }
  }

  /** Tells whether `other` is the same key. */
  equals(other: PublicKey | Uint8Array | string): boolean {
    return PublicKey.equals(this, other);
  }

  /** The key as 64 lower-case hexadecimal digits. */
  toHex(): string {
    this.#hex ??= toHex(this.#bytes);
    return this.#hex;
  }

  /** The same as {@link toHex}, so that keys can name properties and join strings. */
  toString(): string {
    return this.toHex();
  }

  /** The same as {@link toHex}. */
  toJSON(): string {
    return this.toHex();
  }

  /** The first eight digits, for people and logs. */
  truncate(): string {
    return this.toHex().slice(0, 8);
  }

  /** A copy of the key's bytes. */
  asUint8Array(): Uint8Array {
    return this.#bytes.slice();
  }

  /** What Node and Deno print. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `PublicKey(${this.truncate()}…)`;
  }
}
