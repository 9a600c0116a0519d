import { fromHex, toHex } from '../keys.js';
import type { Writer } from '../wire.js';

/** Bytes in the id of an object. */
export const idSize = 16;

/**
 * The id of an object as a string of 16 characters, one for each byte: quicker
 * to make, and half as long, as hexadecimal, which only callers see.
 */
export type IdKey = string & { readonly brand: 'IdKey' };

/** Reads the id at a place in bytes. */
export function keyAt(bytes: Uint8Array, offset = 0): IdKey {
  const byte = (i: number) => bytes[offset + i] ?? 0;
  // In one piece: one of two halves would have to be put together wherever it is used.
  return String.fromCharCode(
    byte(0),
    byte(1),
    byte(2),
    byte(3),
    byte(4),
    byte(5),
    byte(6),
    byte(7),
    byte(8),
    byte(9),
    byte(10),
    byte(11),
    byte(12),
    byte(13),
    byte(14),
    byte(15),
  ) as IdKey;
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

/** Writes an id as bin. */
export function writeKey(w: Writer, key: IdKey): void {
  w.latin(key);
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
