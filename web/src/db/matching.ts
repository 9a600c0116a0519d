import { Counter } from './counter.js';
import { comparisons, type Test } from './filter.js';
import { objectNodeOf } from './live.js';
import { isMap, same } from './same.js';
import { Text } from './text.js';
import { compareCodePoints } from './values.js';
import { foundIn } from './words.js';

/**
 * Tells whether an object passes a test as it shows itself. Answers as the core
 * does (`core/objectdb/compare.go`) about what is stored.
 */
export function passes(test: Test, object: object): boolean {
  switch (test.type) {
    case 'and':
      return test.tests.every((part) => passes(part, object));
    case 'or':
      return test.tests.some((part) => passes(part, object));
    case 'not':
      return !passes(test.test, object);
    case 'references':
      return test.path.length > 0
        ? refers(propertyAt(object, test.path), test.target)
        : Object.values(object).some((value) => refers(value, test.target));
    case 'search':
      return foundIn(
        test.paths.flatMap((path) => stringsIn(propertyAt(object, path))),
        String(test.words),
      );
    default:
      return holds(propertyAt(object, test.path), test.comparison, scalar(test.value));
  }
}

/** What a path leads to; undefined if it leads nowhere. */
function propertyAt(object: object, path: readonly string[]): unknown {
  let value: unknown = object;
  for (const [depth, key] of path.entries()) {
    if (depth > 0 && !isMap(value)) return undefined;
    const map = value as Record<string, unknown>;
    value = Object.hasOwn(map, key) ? map[key] : undefined;
  }
  return scalar(value);
}

/** Tells whether a value is an object, or a list or map that has it in it. */
function refers(value: unknown, target: unknown): boolean {
  const node = objectNodeOf(value);
  if (node) return node === objectNodeOf(target);
  if (Array.isArray(value)) return value.some((item) => refers(item, target));
  return isMap(value) && Object.values(value).some((item) => refers(item, target));
}

/** The string, the text, or the strings and texts of the list that a value is. */
function stringsIn(value: unknown): string[] {
  const values = Array.isArray(value) ? value.map(scalar) : [value];
  return values.filter((item) => typeof item === 'string');
}

/** A counter is compared as its number, a text as its content. */
function scalar(value: unknown): unknown {
  if (value instanceof Counter) return value.value;
  return value instanceof Text ? value.toString() : value;
}

function holds(a: unknown, comparison: number, b: unknown): boolean {
  switch (comparison) {
    case comparisons.$eq:
      return equal(a, b);
    case comparisons.$ne:
      return !equal(a, b);
    case comparisons.$prefix:
      return typeof a === 'string' && typeof b === 'string' && a.startsWith(b);
    case comparisons.$contains:
      if (Array.isArray(a)) return a.some((item) => equal(scalar(item), b));
      return typeof a === 'string' && typeof b === 'string' && a.includes(b);
  }
  const order = compare(a, b);
  switch (comparison) {
    case comparisons.$lt:
      return order < 0;
    case comparisons.$lte:
      return order <= 0;
    case comparisons.$gt:
      return order > 0;
    default:
      return order >= 0;
  }
}

/** Maps and lists equal nothing, NaN not even itself; the two zeros are one number. */
function equal(a: unknown, b: unknown): boolean {
  if (typeof a === 'number') return a === b;
  return a !== undefined && !isMap(a) && !Array.isArray(a) && same(a, b);
}

/** The order of two values of one kind that has one; NaN if there is none. */
function compare(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return compareCodePoints(a, b);
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0;
  // Subtraction would make NaN of two infinities.
  if (typeof a === 'number' && typeof b === 'number')
    return a < b ? -1 : a > b ? 1 : a === b ? 0 : Number.NaN;
  return Number.NaN;
}
