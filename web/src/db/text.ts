import { EchospaceError, reportUncaught } from '../errors.js';
import type { Writer } from '../wire.js';
import type { PlaceOfText } from './container.js';
import {
  type Expanding,
  expandingOf,
  type FormatOptions,
  type Marks,
  type TextRun,
  writeMarks,
} from './marks.js';
import {
  type AheadText,
  aheadOf,
  checked,
  checkInteger,
  formatAhead,
  replaceAhead,
  runsOf,
} from './textahead.js';
import { deltaOf, type Replacement, type TextOp } from './textdelta.js';
import type { TextRows } from './textrows.js';

/** What happened to a text: see {@link Text.observe}. */
export interface TextEvent {
  /**
   * From the beginning of the text as it was: `retain` passes so many UTF-16 code
   * units over, `delete` takes so many away, `insert` puts characters in. What is
   * behind the last one stays. `attributes` are the marks of what is put in, or
   * those that what is passed over gets, or loses where the value is `null`.
   */
  readonly delta: readonly TextOp[];
  /** Whether this page made it: an editor that made it itself has it already. */
  readonly local: boolean;
}

/** One change of a text as the core reports it. */
export interface TextChange {
  readonly pos: number;
  readonly deleted: number;
  /** Undefined if as many units as are said to be deleted stay, and get the marks. */
  readonly inserted: string | undefined;
  readonly local: boolean;
  readonly attributes: Marks | undefined;
}

/** What a database does for its texts. */
export interface TextHost {
  readonly inTransaction: boolean;
  /** The texts as the core numbers them: rows. */
  readonly texts: TextRows;
  /** Sends what waits, so that the core knows the text. */
  commit(): void;
  transact<R>(f: () => R): R;
  /** An edit that is a transaction of its own. */
  editText(place: PlaceOfText, row: number, pos: number, deleted: number, inserted: string): void;
  /** Begins, and ends, an edit inside of a transaction. */
  beginTextEdit(place: PlaceOfText, text: Text): Writer;
  endTextEdit(place: PlaceOfText, text: Text, undo: () => void): void;
  /** Begins to mark a part of a text; ends as an edit does. */
  beginFormat(place: PlaceOfText, text: Text): Writer;
}

/** A position that stays with the characters beside it: see {@link Text.anchor}. */
export interface TextAnchor {
  /** Where it is now. Within a transaction that edits the text: where it was before. */
  readonly position: number;
  /** Gives it up; it may be called again. The position stays what it was last. */
  release(): void;
}

/** How the parts of the database reach into a text. */
interface Access {
  place(text: Text, place: PlaceOfText): void;
  isPlaced(text: Text): boolean;
  /** Has a text show a row of the core. */
  bind(text: Text, row: number): void;
  /** The content of a text that the core does not know yet. */
  ahead(text: Text): string;
  /** Writes the marks that a text got before it came to the core. */
  writeMarks(text: Text, host: TextHost): void;
  /** A text with the same content and marks, in no database. */
  copy(text: Text): Text;
  /** The core has taken in what the page knew ahead of it. */
  settle(text: Text): void;
  deliver(text: Text, changes: readonly TextChange[]): void;
  /** Which row of which database a text is; undefined for one that is in none. */
  locate(text: Text): { host: TextHost; row: number } | undefined;
  /** The space was opened again: rows are others, which observers follow. */
  reopen(texts: Iterable<Text>): void;
}

let access: Access;
export const textAccess = (): Access => access;

/**
 * A text that several people edit at the same time: what each types stays
 * together, and nothing is lost.
 *
 * ```ts
 * const note = space.db.add({ body: new Text('Hello') });
 * note.body.insert(5, ', world');
 * ```
 *
 * Positions and lengths are in UTF-16 code units, as everywhere in JavaScript.
 * Texts that two people make under one name at the same time are one, which
 * begins with what both put in.
 */
export class Text {
  /** The content as long as the core does not know it: in no database, or within a transaction. */
  #ahead: AheadText | undefined;
  /** The marks are in no op; and how those grow of which that was said. */
  #unwritten = false;
  readonly #expand = new Map<string, FormatOptions>();
  #place: PlaceOfText | undefined;
  #row: number | undefined;
  #generation = 0;
  readonly #observers = new Set<(event: TextEvent) => void>();
  /** What the observers know of: its length. */
  #known = 0;
  #watched: number | undefined;

  static {
    access = {
      place: (text, place) => {
        text.#place = place;
      },
      isPlaced: (text) => text.#place !== undefined,
      bind: (text, row) => {
        text.#bind(row);
      },
      ahead: (text) => text.#ahead?.content ?? '',
      settle: (text) => {
        text.#settle();
      },
      writeMarks: (text, host) => text.#writeMarks(host),
      copy: (text) => {
        const copy = new Text();
        copy.#ahead = aheadOf(text.toDelta());
        copy.#unwritten = true;
        return copy;
      },
      deliver: (text, changes) => text.#deliver(changes),
      locate: (text) => {
        const host = text.#settled();
        return host && { host, row: text.#rowNow(host) };
      },
      reopen: (texts) => {
        for (const text of texts) text.#unbind();
        for (const text of texts) text.#reopen();
      },
    };
  }

  /**
   * @param content - What it begins with.
   * @throws UNSUPPORTED_VALUE for half of a surrogate pair; TOO_LARGE over 16 MiB.
   */
  constructor(content = '') {
    this.#ahead = { content: checked('Text', content) };
  }

  /** The length in UTF-16 code units. */
  get length(): number {
    const host = this.#settled();
    return this.#ahead?.content.length ?? host?.texts.length(this.#rowNow(host)) ?? 0;
  }

  /** The whole content. */
  toString(): string {
    return this.slice(0);
  }

  /** The content from one position to another; to the end by default. Positions beyond the end are the end. */
  slice(from: number, end = 2 ** 31 - 1): string {
    const host = this.#settled();
    if (this.#ahead !== undefined || !host)
      return (this.#ahead?.content ?? '').slice(Math.max(0, from), Math.max(0, end));
    return host.texts.read(this.#rowNow(host), Math.max(0, from), Math.max(0, Math.min(end, 2 ** 31 - 1)));
  }

  /** The content: in JSON a text is a string. */
  toJSON(): string {
    return this.toString();
  }

  /**
   * Puts characters in front of a position.
   *
   * @throws INVALID_ARGUMENT for a position that is not in the text or is inside
   *   of a character; UNSUPPORTED_VALUE for half of a surrogate pair; TOO_LARGE;
   *   NOT_FOUND if the text is no longer part of its object; SPACE_CLOSED;
   *   NOT_PERMITTED. Nothing is changed then.
   */
  insert(position: number, content: string): void;
  /** Puts characters in that have exactly these marks, whatever is beside them. */
  insert(position: number, content: string, attributes: Marks): void;
  insert(position: number, content: string, attributes?: Marks): void {
    if (attributes === undefined) {
      this.replace(position, 0, content);
      return;
    }
    const marks = expandingOf('insert', attributes);
    const host = this.#place?.host;
    const put = () => {
      this.replace(position, 0, content);
      this.#format(position, position + content.length, true, marks);
    };
    if (host) host.transact(put);
    else put();
  }

  /**
   * Marks the characters between two positions: `format(0, 5, { bold: true })`,
   * and with `null` no more: `format(0, 5, { bold: null })`. What is inserted in a
   * marked part has its marks, at the end of it too unless it is a link or a
   * comment: see {@link FormatOptions}. A character that is marked twice under one
   * name has the later value.
   *
   * @throws INVALID_ARGUMENT for what is no part of the text or cuts a character;
   *   UNSUPPORTED_VALUE; TOO_LARGE for a name over 1 KiB or a value over 4 KiB;
   *   and as {@link insert}. Nothing is changed then.
   */
  format(from: number, to: number, marks: Marks, options?: FormatOptions): void {
    const expanding = expandingOf('format', marks, options);
    this.#format(from, to, false, expanding);
    if (options && this.#unwritten) for (const name of expanding.keys()) this.#expand.set(name, options);
  }

  /** The content in parts that are marked alike: what an editor begins with. Without marks it is one. */
  toDelta(): TextRun[] {
    const host = this.#settled();
    if (this.#ahead === undefined && host) return host.texts.runs(this.#rowNow(host));
    return runsOf(this.#ahead ?? { content: '' });
  }

  /** Takes so many code units away from a position on; see {@link insert}. */
  delete(position: number, length = 1): void {
    this.replace(position, length, '');
  }

  /** Appends to the end; see {@link insert}. */
  append(content: string): void {
    this.replace(this.length, 0, content);
  }

  /**
   * Puts characters in the place of so many code units from a position on; see
   * {@link insert}. They are marked as if they were put behind what goes.
   */
  replace(position: number, length: number, content: string): void {
    checked('Text', content);
    checkInteger('position', position); // an export would round it
    checkInteger('length', length);
    const place = this.#place;
    const host = place && (place.host ?? place.stored(this));
    if (place && host) {
      place.check(this);
      if (!host.inTransaction) {
        if (this.#ahead !== undefined) this.#settled();
        host.editText(place, this.#rowNow(host), position, length, content);
        return;
      }
    }
    const next = replaceAhead(this.#ahead ?? aheadOf(this.toDelta()), position, length, content);
    if (place && host) {
      const before = this.#ahead;
      const w = host.beginTextEdit(place, this);
      w.uint(position);
      w.uint(length);
      w.str(content);
      host.endTextEdit(place, this, () => {
        this.#ahead = before;
      });
    }
    this.#ahead = next;
  }

  /** Marks a part, with `only` by nothing else. */
  #format(from: number, to: number, only: boolean, marks: Expanding): void {
    checkInteger('position', from);
    checkInteger('position', to);
    if (from < 0 || to < from) throw new EchospaceError('INVALID_ARGUMENT', `a mark from ${from} to ${to}`);
    const place = this.#place;
    place?.store(this);
    const host = place?.host;
    if (place && host) {
      place.check(this);
      this.#settled();
    }
    const before = this.#ahead;
    let next: AheadText | undefined;
    if (!host || host.inTransaction)
      next = formatAhead(before ?? aheadOf(this.toDelta()), from, to, only, marks);
    else host.commit(); // it is a transaction of its own
    if (place && host) {
      writeMarks(host.beginFormat(place, this), from, to, only, marks);
      host.endTextEdit(place, this, () => {
        this.#ahead = before;
      });
      if (!next) host.commit();
    }
    this.#ahead = next;
    this.#unwritten ||= !host;
  }

  /** The core knows all. */
  #settle(): void {
    this.#ahead = undefined;
    this.#unwritten = false;
  }

  #writeMarks(host: TextHost): void {
    const place = this.#place;
    if (!this.#unwritten || place?.host !== host || !place.container.holds(this, place.key)) return;
    let at = 0;
    for (const { insert, attributes } of this.#ahead?.runs ?? []) {
      const from = at;
      at += insert.length;
      for (const [name, value] of Object.entries(attributes ?? {})) {
        const marks = expandingOf('format', { [name]: value }, this.#expand.get(name));
        writeMarks(host.beginFormat(place, this), from, at, false, marks);
      }
    }
  }

  /**
   * Calls back whenever the text has changed, by whomever: with what an editor
   * needs to follow. Gives the function that ends this; it may be called again.
   *
   * @throws INVALID_ARGUMENT while the text is in no database; SPACE_CLOSED.
   */
  observe(callback: (event: TextEvent) => void): () => void {
    this.#place?.store(this);
    const host = this.#settled();
    if (!host)
      throw new EchospaceError('INVALID_ARGUMENT', 'observe: add the object of the text to a database first');
    if (this.#observers.size === 0) {
      this.#known = this.length;
      this.#watch(host);
    }
    const observer = (event: TextEvent) => callback(event);
    this.#observers.add(observer);
    return () => {
      if (!this.#observers.delete(observer) || this.#observers.size > 0) return;
      if (this.#watched !== undefined) host.texts.unwatch(this.#watched);
      this.#watched = undefined;
    };
  }

  /**
   * Gives a position that follows the edits of everybody, as a cursor does or the
   * end of a selection. What is inserted at the very position comes behind it,
   * or before it if `after` is set. Release it when it is not needed any more.
   *
   * @throws INVALID_ARGUMENT for a position that is not in the text or inside of a
   *   character, and while the text is in no database; SPACE_CLOSED.
   */
  anchor(position: number, { after = false } = {}): TextAnchor {
    checkInteger('position', position);
    this.#place?.store(this);
    const host = this.#settled();
    if (!host)
      throw new EchospaceError('INVALID_ARGUMENT', 'anchor: add the object of the text to a database first');
    let row = this.#rowNow(host);
    let { generation } = host.texts;
    let number: number | undefined = host.texts.anchor(row, position, after);
    let last = position;
    const now = () => {
      if (number === undefined) return last;
      const current = this.#rowNow(host);
      if (current !== row || generation !== host.texts.generation) {
        // Another text took the place of this one, or the space was opened again.
        row = current;
        generation = host.texts.generation;
        last = Math.min(last, host.texts.length(row));
        number = host.texts.anchor(row, last, after);
      }
      last = host.texts.anchorAt(row, number);
      return last;
    };
    return {
      get position() {
        return now();
      },
      release: () => {
        if (number !== undefined) host.texts.release(row, number);
        number = undefined;
      },
    };
  }

  /** Lets the core know what it can know, and gives the database that the text is in. */
  #settled(): TextHost | undefined {
    const host = this.#place?.host;
    if (host && this.#ahead !== undefined && !host.inTransaction) {
      host.commit();
      this.#settle();
    }
    return host;
  }

  #rowNow(host: TextHost): number {
    const place = this.#place as PlaceOfText;
    if (this.#row === undefined || this.#generation !== host.texts.generation) {
      this.#row = undefined;
      place.check(this);
      this.#row ??= host.texts.find(place, this);
      this.#generation = host.texts.generation;
    }
    return this.#row;
  }

  #bind(row: number): void {
    const generation = this.#place?.host?.texts.generation ?? 0;
    if (row === this.#row && generation === this.#generation) return;
    this.#row = row;
    this.#generation = generation;
    if (this.#observers.size > 0 && this.#watched !== row) this.#rewatch();
  }

  #unbind(): void {
    this.#row = undefined;
    this.#watched = undefined;
  }

  /** Has the object read again, and with it the row. */
  #reopen(): void {
    try {
      this.#place?.check(this);
    } catch {
      // It was taken out of its object meanwhile.
    }
  }

  /** Follows another row than before: another text took this one's place, or the space was opened again. */
  #rewatch(): void {
    const host = this.#place?.host;
    if (!host || this.#observers.size === 0) return;
    const before = this.#known;
    this.#watch(host);
    const content = this.toString();
    this.#known = content.length;
    const parts: Replacement[] = [{ pos: 0, deleted: before, inserted: '' }];
    let pos = 0;
    for (const { insert, attributes } of this.toDelta()) {
      parts.push({ pos, deleted: 0, inserted: insert, attributes });
      pos += insert.length;
    }
    this.#notify({ delta: deltaOf(parts), local: false });
  }

  #watch(host: TextHost): void {
    this.#watched = this.#rowNow(host);
    host.texts.watch(this.#watched, this);
  }

  /** Tells the observers, in one event for what comes from the same side. */
  #deliver(changes: readonly TextChange[]): void {
    for (let from = 0, end = 1; from < changes.length; from = end++) {
      const { local } = changes[from] as TextChange;
      while (changes[end]?.local === local) end++;
      const part = changes.slice(from, end);
      for (const { inserted, deleted } of part)
        if (inserted !== undefined) this.#known += inserted.length - deleted;
      this.#notify({ delta: deltaOf(part), local });
    }
  }

  #notify(event: TextEvent): void {
    if (event.delta.length === 0) return;
    for (const observer of [...this.#observers]) {
      try {
        if (this.#observers.has(observer)) observer(event);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }
}
