import { EchospaceError } from '../errors.js';
import { type Reader, Writer } from '../wire.js';
import { isPlainObject, isWellFormed, readValue, sortKeys, tag, writeScalar } from './values.js';

/**
 * The value of a mark: `true` for most, the address of a link, an object with a
 * few of these for what needs more. `null` takes a mark away.
 */
export type MarkValue =
  | null
  | boolean
  | number
  | string
  | { readonly [name: string]: null | boolean | number | string };

/**
 * Marks by their names: `{ bold: true, link: 'https://example.org' }`. Over one
 * character there is one value for a name; of two set at the same time one
 * counts, for everybody. What may overlap, as comments do, has a name of its own
 * for each: `comment:` and an id.
 */
export type Marks = { readonly [name: string]: MarkValue };

/** A part of a text that is formatted alike. */
export interface TextRun {
  insert: string;
  attributes?: Marks;
}

/** Which ends of a mark grow over what is inserted there. */
export type MarkExpansion = 'after' | 'before' | 'both' | 'none';

/** Options of {@link Text.format}. */
export interface FormatOptions {
  /** By default marks grow `after`, but links (`link`) and comments (`comment`, `comment:…`) at no end: `none`. */
  readonly expand?: MarkExpansion;
}

const expansions: Record<MarkExpansion, number> = { none: 0, before: 1, after: 2, both: 3 };

const maxMarkName = 1 << 10;
const maxMarkValue = 4 << 10;

/** Marks with how each grows. */
export type Expanding = ReadonlyMap<string, { readonly value: MarkValue; readonly expand: number }>;

/** Checks marks, and copies them with how they grow. */
export function expandingOf(what: string, marks: Marks, { expand }: FormatOptions = {}): Expanding {
  if (expand !== undefined && !Object.hasOwn(expansions, expand))
    throw new EchospaceError(
      'INVALID_ARGUMENT',
      `${what}: expand is ${String(expand)}, not after, before, both or none`,
    );
  if (!isPlainObject(marks))
    throw new EchospaceError(
      'INVALID_ARGUMENT',
      `${what}: ${String(marks)} are no marks; use a plain object`,
    );
  const out = new Map<string, { value: MarkValue; expand: number }>();
  for (const name of sortKeys(Object.keys(marks))) {
    checkString(what, name, maxMarkName);
    out.set(name, {
      value: checkedValue(`${what}: the mark ${name}`, (marks as Marks)[name]),
      expand: expansions[expand ?? defaultExpansion(name)],
    });
  }
  return out;
}

/** How marks of a name grow unless it is said. */
export function defaultExpansion(name: string): MarkExpansion {
  return /^(link|comment)(:|$)/.test(name) ? 'none' : 'after';
}

function checkedValue(what: string, value: unknown): MarkValue {
  const simple = isSimple(value);
  const entries = simple || !isPlainObject(value) ? [] : Object.entries(value);
  if (!simple && (!isPlainObject(value) || !entries.every(([, each]) => isSimple(each))))
    throw new EchospaceError(
      'UNSUPPORTED_VALUE',
      `${what}: its value is null, a boolean, a number, a string or an object of these`,
    );
  for (const part of [value, ...entries.flat()])
    if (typeof part === 'string') checkString(what, part, maxMarkValue);
  const checked = (simple ? value : sorted(entries)) as MarkValue;
  const w = new Writer();
  writeValue(w, checked);
  if (w.length > maxMarkValue) throw tooLarge(what, maxMarkValue);
  return checked;
}

function isSimple(value: unknown): boolean {
  return value === null || ['boolean', 'number', 'string'].includes(typeof value);
}

function checkString(what: string, text: string, limit: number): void {
  if (!isWellFormed(text))
    throw new EchospaceError(
      'UNSUPPORTED_VALUE',
      `${what}: a string has a lone surrogate, which UTF-8 cannot hold`,
    );
  if (new TextEncoder().encode(text).length > limit) throw tooLarge(what, limit);
}

function tooLarge(what: string, limit: number): EchospaceError {
  return new EchospaceError('TOO_LARGE', `${what}: it is over ${limit} bytes`);
}

/** An object with its names in the order of the core. */
export function sorted<T>(entries: readonly (readonly [string, T])[]): { [name: string]: T } {
  const values = new Map(entries);
  return Object.fromEntries(sortKeys([...values.keys()]).map((name) => [name, values.get(name) as T]));
}

function writeValue(w: Writer, value: MarkValue): void {
  if (value === null || typeof value !== 'object') {
    writeScalar(w, value);
    return;
  }
  const entries = Object.entries(value);
  w.array(1 + 2 * entries.length);
  w.uint(tag.map);
  for (const [name, each] of entries) {
    w.str(name);
    writeScalar(w, each);
  }
}

/** Writes what follows the path in an op that marks a part of a text. `only` takes all other marks away. */
export function writeMarks(w: Writer, from: number, to: number, only: boolean, marks: Expanding): void {
  w.uint(from);
  w.uint(to);
  w.bool(only);
  w.array(3 * marks.size);
  for (const [name, { value, expand }] of marks) {
    w.str(name);
    w.uint(expand);
    writeValue(w, value);
  }
}

/** Reads `size` values: names and values in turn. Undefined if there are none. */
export function readMarks(r: Reader, size: number): Marks | undefined {
  if (size === 0) return undefined;
  const out: [string, MarkValue][] = [];
  for (let i = 0; i < size; i += 2) {
    const name = r.str();
    const value = readValue<unknown>(r, {
      reference: () => null,
      map: (reader, pairs) => {
        const values: [string, unknown][] = [];
        for (let n = 0; n < pairs; n++)
          values.push([reader.str(), readValue(reader, { reference: () => null, map: () => null })]);
        return Object.fromEntries(values);
      },
    });
    out.push([name, value as MarkValue]);
  }
  return Object.fromEntries(out);
}

/** Tells whether marks are alike; none are as `undefined`. */
export function sameMarks(a: Marks | undefined, b: Marks | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Gives marks with others set over them. `null` takes one away, unless it is to be kept as the word on it. */
export function markedOver(marks: Marks | undefined, by: Marks, keepNull = false): Marks | undefined {
  const entries = Object.entries({ ...marks, ...by }).filter(([, value]) => keepNull || value !== null);
  return entries.length > 0 ? sorted(entries) : undefined;
}

/** A run of a text, without attributes if it has none. */
export function runOf(insert: string, attributes: Marks | undefined): TextRun {
  return attributes ? { insert, attributes } : { insert };
}
