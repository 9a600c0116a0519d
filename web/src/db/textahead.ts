import { EchospaceError } from '../errors.js';
import {
  defaultExpansion,
  type Expanding,
  markedOver,
  runOf,
  sameMarks,
  sorted,
  type TextRun,
} from './marks.js';
import { isWellFormed, maxText } from './values.js';

/**
 * A text as only the page knows it: before it comes to the core, and within a
 * transaction. It is never changed, but gives way to another.
 */
export interface AheadText {
  readonly content: string;
  /** The same with its marks, if it may have any. */
  readonly runs?: readonly TextRun[] | undefined;
}

/** A text that has these runs. */
export function aheadOf(runs: readonly TextRun[]): AheadText {
  const content = runs.map(({ insert }) => insert).join('');
  return runs.some(({ attributes }) => attributes) ? { content, runs } : { content };
}

/** The content in runs. */
export function runsOf({ content, runs }: AheadText): TextRun[] {
  if (!runs) return content === '' ? [] : [{ insert: content }];
  return runs.map(({ insert, attributes }) => runOf(insert, attributes));
}

/** The text with characters put in the place of others. They get the marks that grow over them. */
export function replaceAhead(text: AheadText, position: number, length: number, content: string): AheadText {
  checkRange(text.content, position, length);
  return {
    content: text.content.slice(0, position) + content + text.content.slice(position + length),
    runs: text.runs && replaceInRuns(text.runs, position, length, content),
  };
}

/** The text with a part of it marked, with `only` by nothing else. */
export function formatAhead(
  text: AheadText,
  from: number,
  to: number,
  only: boolean,
  marks: Expanding,
): AheadText {
  checkRange(text.content, from, to - from);
  return { content: text.content, runs: formatRuns(runsOf(text), from, to, only, marks) };
}

function replaceInRuns(
  runs: readonly TextRun[],
  position: number,
  length: number,
  content: string,
): TextRun[] {
  const [before] = part(runs, position + length - 1, position + length);
  const [behind] = part(runs, position + length, position + length + 1);
  const left = position + length > 0 ? (before?.attributes ?? {}) : {};
  const right = behind?.attributes ?? {};
  const grown = Object.entries({ ...right, ...left }).filter(([name, value]) => {
    if (name in left && name in right) return sameMarks({ name: value }, { name: right[name] ?? null });
    return name in left && defaultExpansion(name) === 'after';
  });
  const attributes = grown.length > 0 ? sorted(grown) : undefined;
  return joined(part(runs, 0, position), [runOf(content, attributes)], part(runs, position + length));
}

function formatRuns(
  runs: readonly TextRun[],
  from: number,
  to: number,
  only: boolean,
  marks: Expanding,
): TextRun[] {
  const by = Object.fromEntries([...marks].map(([name, { value }]) => [name, value]));
  const marked = part(runs, from, to).map(({ insert, attributes }) =>
    runOf(insert, markedOver(only ? undefined : attributes, by)),
  );
  return joined(part(runs, 0, from), marked, part(runs, to));
}

/** Runs one behind the other, joined where they are formatted alike. */
function joined(...parts: readonly TextRun[][]): TextRun[] {
  const out: TextRun[] = [];
  for (const { insert, attributes } of parts.flat()) {
    const last = out[out.length - 1];
    if (last && sameMarks(last.attributes, attributes)) last.insert += insert;
    else if (insert !== '') out.push(runOf(insert, attributes));
  }
  return out;
}

/** The part of runs between two positions. */
function part(runs: readonly TextRun[], from: number, to = Number.POSITIVE_INFINITY): TextRun[] {
  const out: TextRun[] = [];
  let at = 0;
  for (const { insert, attributes } of runs) {
    const piece = insert.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (piece !== '') out.push(runOf(piece, attributes));
    at += insert.length;
  }
  return out;
}

/** Refuses what no text can hold. */
export function checked(what: string, content: string): string {
  if (typeof content !== 'string')
    throw new EchospaceError('INVALID_ARGUMENT', `${what}: ${String(content)} is no string`);
  if (content.length > 1 && !isWellFormed(content)) throw illFormed(what);
  if (content.length === 1 && isSurrogate(content.charCodeAt(0))) throw illFormed(what);
  if (content.length * 3 > maxText && new TextEncoder().encode(content).length > maxText)
    throw new EchospaceError('TOO_LARGE', `${what}: ${content.length} characters are over ${maxText} bytes`);
  return content;
}

function illFormed(what: string): EchospaceError {
  return new EchospaceError(
    'UNSUPPORTED_VALUE',
    `${what}: the string has a lone surrogate, which UTF-8 cannot hold`,
  );
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/** Refuses what an export would round. */
export function checkInteger(what: string, value: number): void {
  if ((value | 0) !== value)
    throw new EchospaceError('INVALID_ARGUMENT', `${what} ${String(value)} is no place in a text`);
}

/** Refuses what the core would: a place that is not in the text, or inside of a character. */
export function checkRange(content: string, position: number, length: number): void {
  if (position < 0 || position > content.length)
    throw new EchospaceError(
      'INVALID_ARGUMENT',
      `position ${position} is not in a text of length ${content.length}`,
    );
  if (length < 0 || position + length > content.length)
    throw new EchospaceError(
      'INVALID_ARGUMENT',
      `${length} characters from position ${position} on are not in a text of length ${content.length}`,
    );
  for (const at of [position, position + length]) {
    const before = content.charCodeAt(at - 1);
    const after = content.charCodeAt(at);
    if (before >= 0xd800 && before < 0xdc00 && after >= 0xdc00 && after < 0xe000)
      throw new EchospaceError('INVALID_ARGUMENT', `position ${at} is inside of a character`);
  }
}
