import { containerOf } from './container.js';
import { Counter } from './counter.js';
import { Text } from './text.js';
import { isPlainObject } from './values.js';

/**
 * Tells whether two values have the same content. Live objects are the same if
 * they are one: what they hold is not part of the value that refers to them.
 */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
  if (a instanceof Uint8Array)
    return b instanceof Uint8Array && a.length === b.length && a.every((byte, at) => byte === b[at]);
  if (a instanceof Text) return b instanceof Text && a.toString() === b.toString();
  if (a instanceof Counter) return b instanceof Counter && a.value === b.value;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, at) => same(item, b[at]));
  if (!isMap(a) || !isMap(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]))
  );
}

/** Tells whether a value is a plain object, or a nested map; an object of a database is a thing of its own. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return isPlainObject(value) && containerOf(value)?.isNested !== false;
}
