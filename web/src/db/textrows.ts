import { Reader, Writer } from '../wire.js';
import { type PlaceOfText, writePath } from './container.js';
import type { DatabaseSpace } from './core.js';
import { keyBytes } from './ids.js';
import { readMarks, runOf, type TextRun } from './marks.js';
import { type Text, type TextChange, textAccess } from './text.js';

/** The texts of one space as the core numbers them, and those of them that are observed. */
export class TextRows {
  readonly #space: Pick<DatabaseSpace, 'runtime' | 'isOpen'>;
  readonly #handle: () => number;
  /** Texts that are observed, by their rows. */
  readonly #watched = new Map<number, Text>();
  /** Grows when the space is opened again: rows and anchors are others then. */
  generation = 0;

  /** `handle` gives that of the space, or throws if it is closed. */
  constructor(space: Pick<DatabaseSpace, 'runtime' | 'isOpen'>, handle: () => number) {
    this.#space = space;
    this.#handle = handle;
  }

  /** The space was opened again: who observes a text follows its new row. */
  reopen(): void {
    const texts = new Set(this.#watched.values());
    this.#watched.clear();
    textAccess().reopen(texts);
  }

  find(place: PlaceOfText, text: Text): number {
    const request = new Writer();
    request.array(2);
    request.bin(keyBytes(place.container.object.key));
    writePath(request, place.path(text));
    return this.#space.runtime.findText(this.#handle(), request);
  }

  read(row: number, from: number, end: number): string {
    return this.#space.runtime.readText(this.#handle(), row, from, end);
  }

  /** The content in runs that are formatted alike. */
  runs(row: number): TextRun[] {
    const content = this.read(row, 0, 2 ** 31 - 1);
    const r = new Reader(this.#space.runtime.textMarks(this.#handle(), row));
    const out: TextRun[] = [];
    let at = 0;
    for (let n = r.array(); n > 0; n--) {
      const size = r.array();
      const from = at;
      at += r.int();
      out.push(runOf(content.slice(from, at), readMarks(r, size - 1)));
    }
    return at === 0 && content !== '' ? [{ insert: content }] : out;
  }

  length(row: number): number {
    return this.#space.runtime.textLength(this.#handle(), row);
  }

  watch(row: number, text: Text): void {
    this.#watched.set(row, text);
    this.#space.runtime.watchText(this.#handle(), row, true);
  }

  unwatch(row: number): void {
    this.#watched.delete(row);
    if (this.#space.isOpen) this.#space.runtime.watchText(this.#handle(), row, false);
  }

  anchor(row: number, pos: number, after: boolean): number {
    return this.#space.runtime.anchorText(this.#handle(), row, pos, after);
  }

  anchorAt(row: number, anchor: number): number {
    return this.#space.runtime.anchorAt(this.#handle(), row, anchor);
  }

  release(row: number, anchor: number): void {
    if (this.#space.isOpen) this.#space.runtime.releaseAnchor(this.#handle(), row, anchor);
  }

  /**
   * Reads `[[text, [pos, deleted, inserted, local, marks]...]...]`, and gives the
   * function that tells who observes.
   */
  takeChanges(r: Reader): () => void {
    const taken: [Text, TextChange[]][] = [];
    for (let n = r.array(); n > 0; n--) {
      const size = r.array();
      const text = this.#watched.get(r.int());
      const changes: TextChange[] = [];
      for (let i = 1; i < size; i += 5) {
        const pos = r.int();
        const deleted = r.int();
        const inserted = r.skipNil() ? undefined : r.str();
        const local = r.bool();
        const attributes = r.skipNil() ? undefined : readMarks(r, r.array());
        changes.push({ pos, deleted, inserted, local, attributes });
      }
      if (text) taken.push([text, changes]);
    }
    return () => {
      for (const [text, changes] of taken) textAccess().deliver(text, changes);
    };
  }
}
