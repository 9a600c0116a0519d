import { fromHex, toHex } from '../keys.js';

/** Bytes in the id of an object. */
export const idSize = 16;

/**
 * The id of an object as a string of 16 characters, one for each byte: quicker
 * to make, and half as long, as hexadecimal, which only callers see.
 */
export type IdKey = string & { readonly brand: 'IdKey' };

/** Reads the id at a place in bytes. */
export function keyAt(bytes: Uint8Array, offset = 0): IdKey {
  const half = (i: number) =>
    String.fromCharCode(
      bytes[i] ?? 0,
      bytes[i + 1] ?? 0,
      bytes[i + 2] ?? 0,
      bytes[i + 3] ?? 0,
      bytes[i + 4] ?? 0,
      bytes[i + 5] ?? 0,
      bytes[i + 6] ?? 0,
      bytes[i + 7] ?? 0,
    );
  return (half(offset) + half(offset + 8)) as IdKey;
}

/** Writes the bytes of an id at a place. */
export function putKey(into: Uint8Array, offset: number, key: IdKey): void {
  for (let i = 0; i < idSize; i++) into[offset + i] = key.charCodeAt(i);
}

/** The bytes of an id. */
export function keyBytes(key: IdKey): Uint8Array {
  const bytes = new Uint8Array(idSize);
  putKey(bytes, 0, key);
  return bytes;
}

/** Splits concatenated ids. */
export function keysIn(bytes: Uint8Array): IdKey[] {
  const keys: IdKey[] = [];
  for (let at = 0; at < bytes.length; at += idSize) keys.push(keyAt(bytes, at));
  return keys;
}

/** The id as callers see it: 32 hexadecimal digits. */
export function keyToHex(key: IdKey): string {
  return toHex(keyBytes(key));
}

/** Reads 32 hexadecimal digits; undefined for any other text. */
export function keyFromHex(hex: string): IdKey | undefined {
  const bytes = fromHex(hex);
  return bytes?.length === idSize ? keyAt(bytes) : undefined;
}

/** Random bytes that no id was made of yet: to ask for few at a time is slow. */
const pool = new Uint8Array(256 * idSize);
let used = pool.length;

/** Makes a random id. */
export function newKey(): IdKey {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  used += idSize;
  return keyAt(pool, used - idSize);
}
