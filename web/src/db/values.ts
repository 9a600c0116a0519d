import { EchospaceError } from '../errors.js';
import type { Reader, Writer } from '../wire.js';

/** Limits of the core (`core/objectdb`): bytes of a key, of a string or bytes, and depth of nesting. */
export const maxKey = 1 << 10;
export const maxText = 16 << 20;
export const maxDepth = 32;

/** The first element of an encoded value that is an array. */
export const tag = {
  bytes: 1,
  date: 2,
  reference: 3,
  map: 4,
  bigint: 5,
  list: 6,
  text: 7,
  counter: 8,
} as const;

/** Where in an object something is: keys of maps, and places in lists. */
export type Path = readonly (string | number)[];

/** The values that are one thing: everything but maps and references. */
export type Scalar = null | boolean | number | string | bigint | Date | Uint8Array;

/** Writes where in a value something is: `owner.name`. */
export function pathText(path: Path): string {
  return path.join('.');
}

/** The refusal of a value that no object can hold. */
export function unsupported(path: Path, what: string): EchospaceError {
  const where = path.length > 0 ? `at ${pathText(path)}: ` : '';
  return new EchospaceError('UNSUPPORTED_VALUE', `${where}${what}`, { details: { path: pathText(path) } });
}

const loneSurrogate = /\p{Surrogate}/u;

/** Tells whether UTF-8 can hold the text: whether it has no half of a surrogate pair. */
export function isWellFormed(text: string): boolean {
  return typeof text.isWellFormed === 'function' ? text.isWellFormed() : !loneSurrogate.test(text);
}

function checkText(path: Path, what: string, text: string, limit: number): void {
  if (!isWellFormed(text)) throw unsupported(path, `${what} has a lone surrogate, which UTF-8 cannot hold`);
  if (text.length * 3 > limit && new TextEncoder().encode(text).length > limit) {
    throw tooLarge(path, what, limit);
  }
}

function tooLarge(path: Path, what: string, limit: number): EchospaceError {
  return new EchospaceError('TOO_LARGE', `at ${pathText(path)}: ${what} is over ${limit} bytes`);
}

/** Refuses a property name that the core would. */
export function checkKey(path: Path, key: string): void {
  checkText(path, 'the name', key, maxKey);
}

/** Refuses maps nested deeper than the core allows. */
export function checkDepth(path: Path): void {
  if (path.length > maxDepth) throw unsupported(path, `is nested deeper than ${maxDepth}`);
}

/** Tells whether a value is kept as it is: {@link scalarOf} gives it too, at more cost. */
export function isPlain(value: unknown): value is null | boolean | number | string {
  if (typeof value === 'string') return 3 * value.length <= maxText && isWellFormed(value);
  return typeof value === 'number' || typeof value === 'boolean' || value === null;
}

/**
 * Gives the scalar to keep for a value that is not a plain object: a copy of
 * what could change under us. Refuses everything that no object can hold.
 */
export function scalarOf(path: Path, value: unknown): Scalar {
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'bigint':
      return value;
    case 'string':
      checkText(path, 'the string', value, maxText);
      return value;
    case 'undefined':
      throw unsupported(path, 'undefined is no value; use null, or delete the property');
    case 'object':
      break;
    default:
      throw unsupported(path, `a ${typeof value} is no value`);
  }
  if (value === null) return null;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw unsupported(path, 'the Date is invalid');
    return new Date(value);
  }
  if (value instanceof Uint8Array) {
    if (value.length > maxText) throw tooLarge(path, 'the Uint8Array', maxText);
    return new Uint8Array(value);
  }
  throw unsupported(path, `${nameOf(value)} cannot be stored; use a plain object`);
}

function nameOf(value: object): string {
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === 'string' && name !== '' ? `a ${name}` : 'this object';
}

/** Tells whether a value is an object as `{}` writes it, of this or another realm. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || isForeignObjectPrototype(prototype);
}

function isForeignObjectPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

/** Gives the names of a plain object's properties; refuses symbols, which would be lost. */
export function keysOf(path: Path, value: object): string[] {
  for (const symbol of Object.getOwnPropertySymbols(value)) {
    if (Object.prototype.propertyIsEnumerable.call(value, symbol)) {
      throw unsupported(path, `the property ${String(symbol)} is named by a symbol`);
    }
  }
  const keys = Object.keys(value);
  for (const key of keys) if (3 * key.length > maxKey || !isWellFormed(key)) checkKey([...path, key], key);
  return keys;
}

/** Orders names as the core does: by their UTF-8 bytes, which is by code point. */
export function sortKeys(keys: string[]): string[] {
  return keys.sort(compareCodePoints);
}

/** Compares two strings as the core does. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return aboveSurrogates(x) - aboveSurrogates(y);
  }
  return a.length - b.length;
}

/** Moves surrogates, which stand for the highest code points, above the other units. */
function aboveSurrogates(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Writes a scalar. */
export function writeScalar(w: Writer, value: Scalar): void {
  if (value === null) w.nil();
  else if (typeof value === 'string') w.str(value);
  else if (typeof value === 'number') w.number(value);
  else if (typeof value === 'boolean') w.bool(value);
  else if (typeof value === 'bigint') {
    w.array(2);
    w.uint(tag.bigint);
    w.str(value.toString());
  } else if (value instanceof Date) {
    w.array(2);
    w.uint(tag.date);
    w.number(value.getTime());
  } else {
    w.array(2);
    w.uint(tag.bytes);
    w.bin(value);
  }
}

/** What a value decodes to where there are no live objects. */
export interface ValueVisitor<T> {
  reference(id: Uint8Array): T;
  /** Reads `size` pairs of key and value from the reader. */
  map(reader: Reader, size: number): T;
  /** What a counter's sum is where it is not the number. */
  counter?(value: number): T;
  /** What a text is, of which the core gives its number. */
  text?(row: number): T;
  /** Reads a list of `size` elements from the reader: in a record numbers and values in turn. */
  list?(reader: Reader, size: number): T;
}

/** Reads one value, giving maps and references to the visitor. */
export function readValue<T>(r: Reader, visitor: ValueVisitor<T>): Scalar | T {
  switch (r.peek()) {
    case 'nil':
      r.skipNil();
      return null;
    case 'bool':
      return r.bool();
    case 'int':
      return r.integer();
    case 'float':
      return r.float();
    case 'str':
      return r.str();
    case 'array':
      return readTagged(r, visitor);
    default:
      throw new RangeError('a value begins with bytes that none does');
  }
}

function readTagged<T>(r: Reader, visitor: ValueVisitor<T>): Scalar | T {
  const size = r.array();
  const type = r.int();
  switch (type) {
    case tag.bytes:
      return r.bin().slice();
    case tag.date:
      return new Date(r.int());
    case tag.reference:
      return visitor.reference(r.bin().slice());
    case tag.map:
      return visitor.map(r, (size - 1) / 2);
    case tag.bigint:
      return BigInt(r.str());
    case tag.counter: {
      const value = Number(r.integer());
      return visitor.counter ? visitor.counter(value) : value;
    }
    case tag.text: {
      if (r.peek() === 'str') return r.str(); // outside of a database it is its content
      const row = r.int();
      if (visitor.text) return visitor.text(row);
      break;
    }
    default:
      if (type === tag.list && visitor.list) return visitor.list(r, size - 1);
  }
  throw new EchospaceError('VERSION_UNSUPPORTED', `a value of type ${type} was written by a newer version`);
}
