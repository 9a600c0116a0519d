import { nextTask } from '../tasks.js';
import type { Writer } from '../wire.js';
import type { DatabaseSpace } from './core.js';
import { encodeIndex, type IndexDefinition } from './indexes.js';

/** Objects that are put into indexes between two looks at the clock. */
const step = 64;
/** How long that may keep the page, in milliseconds. */
const sliceMs = 8;

/** Declares the indexes of a database and fills them, in slices between other tasks. */
export class IndexBuilder {
  readonly #space: DatabaseSpace;
  readonly #failed: (error: unknown) => void;
  /** Those that the page declared, by their encoded names. */
  readonly #declared = new Map<string, Writer>();
  #building = false;
  /** Told when no index has anything left to fill. */
  readonly #filled: (() => void)[] = [];

  /** `failed` is told of what goes wrong while nobody is there to catch it. */
  constructor(space: DatabaseSpace, failed: (error: unknown) => void) {
    this.#space = space;
    this.#failed = failed;
  }

  /** Declares the indexes to a space that was opened again. */
  attach(): void {
    for (const index of this.#declared.values())
      this.#space.runtime.createIndex(this.#space.raw.handle, index);
  }

  /** Ends waiting: the space has been closed. */
  detach(): void {
    for (const resolve of this.#filled.splice(0)) resolve();
  }

  /** Resolves when the index is filled, or the space is closed. */
  create(definition: IndexDefinition): Promise<void> {
    const index = encodeIndex(definition);
    this.#space.runtime.createIndex(this.#space.raw.handle, index);
    this.#declared.set(index.bytes.join(), index);
    return new Promise((resolve) => {
      this.#filled.push(resolve);
      this.build();
    });
  }

  drop(definition: IndexDefinition): void {
    const index = encodeIndex(definition);
    this.#space.runtime.dropIndex(this.#space.raw.handle, index);
    this.#declared.delete(index.bytes.join());
  }

  /** Goes on until indexes are complete. */
  build(): void {
    if (this.#building) return;
    if (!this.#buildUntil(0)) {
      this.detach();
      return;
    }
    this.#building = true;
    nextTask(() => {
      this.#building = false;
      if (this.#buildUntil(performance.now() + sliceMs)) this.#space.runtime.yield();
      this.build();
    });
  }

  /** Puts objects into indexes until a time, and tells whether there are more. */
  #buildUntil(end: number): boolean {
    if (!this.#space.isOpen) return false;
    const { runtime, raw } = this.#space;
    try {
      let left = runtime.buildIndexes(raw.handle, 0);
      while (left > 0 && performance.now() < end) left = runtime.buildIndexes(raw.handle, step);
      return left > 0;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }
}
