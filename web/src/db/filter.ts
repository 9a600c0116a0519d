import { EchospaceError } from '../errors.js';
import type { Writer } from '../wire.js';
import { writeReference } from './container.js';
import type { Counter } from './counter.js';
import { type IdKey, keyBytes } from './ids.js';
import { type Live, objectNodeOf } from './live.js';
import type { Text } from './text.js';
import { isPlainObject, scalarOf, writeScalar } from './values.js';

/** Comparisons of one property. Several in one object must all hold. */
export interface Operators<V = unknown> {
  $eq?: V;
  /** Holds for a missing property too. */
  $ne?: V;
  $lt?: V;
  $lte?: V;
  $gt?: V;
  $gte?: V;
  /** Equals one of these. */
  $in?: readonly V[];
  /** A string, or a text, that begins with this. */
  $prefix?: string;
  /** A string, or a text, that has this in it; or a list that has an item which equals this. */
  $contains?: V extends readonly (infer Item)[] ? Item : V;
  /**
   * A string, a text, or a list of these that has all words of this in it, the
   * last one as the beginning of a word; see {@link Search}.
   */
  $search?: string;
  /** A reference to this object, or a list or map with one in it at any depth. */
  $references?: object;
  $not?: Operators<V>;
}

/** A property by its name, or one of a nested map by the names on the way. */
export type PropertyPath = string | readonly string[];

/**
 * Words, all of which must be in the properties together, the last one as the
 * beginning of a word. Case does not count, nor do marks on Latin letters (`Café`
 * is `cafe`), nor what stands between words. What is written without spaces, as
 * Chinese, Japanese or Thai, is found by pairs of neighbouring characters.
 */
export interface Search {
  words: string;
  in: readonly PropertyPath[];
}

/**
 * What one property must be: a value, comparisons, or conditions for the
 * properties of a nested map. A counter is compared as the number, a text as the
 * string that it is.
 */
export type Condition<V> = V extends Counter
  ? number | Operators<number>
  : V extends Text
    ? string | Operators<string>
    : V | Operators<V> | (V extends object ? Conditions<V> : never);

/** Conditions by property, all of which must hold; `$and`, `$or` and `$not` combine further ones. */
export type Conditions<T extends object> = { [K in keyof T]?: Condition<T[K]> } & {
  $and?: readonly Conditions<T>[];
  $or?: readonly Conditions<T>[];
  $not?: Conditions<T>;
  /** Holds for an object with these words in some of its properties. */
  $search?: Search;
  /** Holds for an object that refers to this one, in whatever property. */
  $references?: object;
};

/** Which objects a query gives: those that meet the conditions, or that a function accepts. */
export type Filter<T extends object> = Conditions<T> | ((object: Live<T>) => boolean);

/** Comparison operators and their numbers in the core (`core/objectdb`). */
export const comparisons = {
  $eq: 0,
  $ne: 1,
  $lt: 2,
  $lte: 3,
  $gt: 4,
  $gte: 5,
  $prefix: 6,
  $contains: 7,
} as const;

/**
 * What to sort by: a property, ascending, or one of a map in it, or descending.
 * `'$relevance'` is how well an object answers the searches in the filter, best
 * first: how often the words are there, for the length of what they are in, whole
 * words before beginnings. It depends on the object alone, not on the others.
 */
export type Order = string | { by: PropertyPath; descending?: boolean };

/** The order by how well an object answers the searches. */
export const relevance = '$relevance';

/** Which part of a sorted result is given. */
export interface Arrangement {
  order: readonly Order[];
  offset: number;
  limit: number | undefined;
}

/** A filter taken apart. */
export type Test =
  | { type: 'compare'; path: string[]; comparison: number; value: unknown }
  | { type: 'references'; path: string[]; target: unknown }
  | { type: 'search'; paths: (readonly string[])[]; words: unknown }
  | { type: 'and' | 'or'; tests: Test[] }
  | { type: 'not'; test: Test };

/** Whether removed objects are left out, given too, or given alone. */
export type DeletedOption = 'hide' | 'show' | 'only';

const deletedNumbers = { hide: 0, show: 1, only: 2 } as const;

/** Writes a query for the core. */
export function writeQuery(
  w: Writer,
  conditions: object | undefined,
  deleted: DeletedOption,
  { order, offset, limit }: Arrangement = { order: [], offset: 0, limit: undefined },
): void {
  const arranged = order.length > 0 || offset > 0 || limit !== undefined;
  w.array(arranged ? 5 : 2);
  if (conditions === undefined) w.nil();
  else writeTest(w, testOfConditions([], conditions));
  const number = deletedNumbers[deleted];
  if (number === undefined) throw invalid(`deleted: ${deleted}; want hide, show or only`);
  w.uint(number);
  if (!arranged) return;
  w.array(order.length);
  for (const one of order) writeOrder(w, one);
  w.uint(offset);
  w.uint(limit ?? 0);
}

/** Writes one property of an order. */
export function writeOrder(w: Writer, order: Order): void {
  const { by, descending = false } = typeof order === 'string' ? { by: order } : order;
  w.array(2);
  writePath(w, by === relevance ? [] : pathOf(by));
  w.bool(descending);
}

/** Checks a path to a property. */
export function pathOf(path: PropertyPath): readonly string[] {
  const keys = typeof path === 'string' ? [path] : path;
  if (Array.isArray(keys) && keys.length > 0 && keys.every((key) => typeof key === 'string')) return keys;
  throw invalid(`${JSON.stringify(path)} is not the name of a property`);
}

export function writePath(w: Writer, path: readonly string[]): void {
  w.array(path.length);
  for (const key of path) w.str(key);
}

/** Checks an offset or limit. */
export function wholeNumber(what: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least || value >= 2 ** 31)
    throw invalid(`${what}: ${value}; want a whole number from ${least} on`);
  return value;
}

function invalid(message: string): EchospaceError {
  return new EchospaceError('INVALID_ARGUMENT', `query: ${message}`);
}

export function testOfConditions(path: string[], conditions: object): Test {
  const tests = Object.entries(conditions).map(([key, value]): Test => {
    switch (key) {
      case '$and':
        return { type: 'and', tests: listOfConditions(path, key, value) };
      case '$or':
        return { type: 'or', tests: listOfConditions(path, key, value) };
      case '$not':
        return { type: 'not', test: testOfConditions(path, objectOf(key, value)) };
      case '$references':
        return { type: 'references', path, target: value };
      case '$search':
        return testOfSearch(path, objectOf(key, value) as Partial<Search>);
      default:
        return testOfProperty([...path, key], value);
    }
  });
  return { type: 'and', tests };
}

function testOfSearch(path: string[], { words, in: properties }: Partial<Search>): Test {
  if (!Array.isArray(properties) || properties.length === 0)
    throw invalid('$search wants { words, in: [names of properties] }');
  return { type: 'search', paths: properties.map((property) => [...path, ...pathOf(property)]), words };
}

function objectOf(key: string, value: unknown): object {
  if (!isPlainObject(value)) throw invalid(`${key} wants an object of conditions`);
  return value;
}

function listOfConditions(path: string[], key: string, value: unknown): Test[] {
  if (!Array.isArray(value)) throw invalid(`${key} wants an array of conditions`);
  return value.map((element) => testOfConditions(path, objectOf(key, element)));
}

function testOfProperty(path: string[], value: unknown): Test {
  if (objectNodeOf(value) || !isPlainObject(value)) return { type: 'compare', path, comparison: 0, value };
  const keys = Object.keys(value);
  const operators = keys.filter((key) => key.startsWith('$'));
  if (operators.length === 0) return testOfConditions(path, value);
  if (operators.length < keys.length) {
    throw invalid(`${path.join('.')} mixes operators with properties: ${keys.join(', ')}`);
  }
  return testOfOperators(path, value);
}

function testOfOperators(path: string[], operators: Record<string, unknown>): Test {
  const tests = Object.entries(operators).map(([name, value]): Test => {
    if (name in comparisons) {
      return { type: 'compare', path, comparison: comparisons[name as keyof typeof comparisons], value };
    }
    if (name === '$not') return { type: 'not', test: testOfOperators(path, { ...objectOf(name, value) }) };
    if (name === '$references') return { type: 'references', path, target: value };
    if (name === '$search') return { type: 'search', paths: [path], words: value };
    if (name !== '$in') throw invalid(`${path.join('.')}: there is no operator ${name}`);
    if (!Array.isArray(value)) throw invalid(`${path.join('.')}: $in wants an array`);
    return {
      type: 'or',
      tests: value.map((element) => ({ type: 'compare', path, comparison: 0, value: element })),
    };
  });
  return { type: 'and', tests };
}

function writeTest(w: Writer, test: Test): void {
  switch (test.type) {
    case 'compare':
      w.array(4);
      w.uint(1);
      writePath(w, test.path);
      w.uint(test.comparison);
      writeOperand(w, test.path, test.value);
      return;
    case 'not':
      w.array(2);
      w.uint(4);
      writeTest(w, test.test);
      return;
    case 'references':
      w.array(3);
      w.uint(5);
      writePath(w, test.path);
      w.bin(keyBytes(targetOf(test.target).key));
      return;
    case 'search':
      if (typeof test.words !== 'string') throw invalid('$search wants a string of words');
      w.array(3);
      w.uint(6);
      w.array(test.paths.length);
      for (const path of test.paths) writePath(w, path);
      w.str(test.words);
      return;
    default:
      writeCombination(w, test.type, test.tests);
  }
}

function targetOf(value: unknown): { key: IdKey } {
  const target = objectNodeOf(value);
  if (!target) throw invalid('$references wants an object of the database');
  return target;
}

/** Writes and/or. Of no tests, `and` is everything and `or` nothing. */
function writeCombination(w: Writer, type: 'and' | 'or', tests: Test[]): void {
  const [only, ...others] = tests;
  if (only && others.length === 0) {
    writeTest(w, only);
    return;
  }
  w.array(1 + tests.length);
  w.uint(type === 'and' ? 2 : 3);
  for (const test of tests) writeTest(w, test);
}

function writeOperand(w: Writer, path: string[], value: unknown): void {
  const target = objectNodeOf(value);
  if (target) writeReference(w, target.key);
  else writeScalar(w, scalarOf(path, value));
}
