import type { Core } from './core.js';
import type { Filter } from './filter.js';
import { keyFromHex } from './ids.js';
import type { Live } from './live.js';
import { Query, type QueryOptions } from './query.js';

/** How far {@link Database.flush} waits. */
export interface FlushOptions {
  /**
   * `store` (the default): the storage transaction is complete. `disk`: the same,
   * with strict durability. `peer`: at least one other device has stored it.
   */
  to?: 'store' | 'disk' | 'peer';
  /** Limit in milliseconds; none by default. */
  timeout?: number;
}

/**
 * The objects of one space. Edits are synchronous and visible at once; they
 * reach the core together at the end of the current task, and storage and
 * other devices soon after.
 */
export class Database {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Adds an object and gives it back as a live one. An {@link Expando} becomes
   * live itself; of a plain object a copy is stored. Adding an object of this
   * database again does nothing.
   *
   * @throws UNSUPPORTED_VALUE naming the property that cannot be stored;
   *   SPACE_CLOSED; NOT_PERMITTED. Nothing is added then.
   */
  add<T extends object>(object: T): Live<T> {
    return this.#core.add(object).proxy as Live<T>;
  }

  /** Removes an object from results and references. Removing it again does nothing. */
  remove(object: object): void {
    this.#core.setRemoved(object, true);
  }

  /** Brings a removed object back, with its content. */
  restore(object: object): void {
    this.#core.setRemoved(object, false);
  }

  /** Finds an object by id; undefined if there is none, or it was removed. */
  get<T extends object = Record<string, unknown>>(id: string): Live<T> | undefined {
    const key = keyFromHex(id);
    return key && (this.#core.find(key)?.proxy as Live<T> | undefined);
  }

  /**
   * Asks for objects: all, those with certain properties, or those that a
   * function accepts. Conditions are evaluated in the core; a function is
   * called for every object, and again for each that changes.
   */
  query<T extends object = Record<string, unknown>>(
    filter?: Filter<T>,
    options: QueryOptions = {},
  ): Query<T> {
    return new Query<T>(this.#core, filter, options);
  }

  /**
   * Runs `f`, whose edits take effect all together or, if it throws or the core
   * refuses one, not at all. Transactions may be nested; an inner one that
   * throws takes back its own edits only.
   *
   * @throws what `f` throws; INVALID_ARGUMENT if it gives a promise.
   */
  transact<R>(f: () => R): R {
    return this.#core.transact(f);
  }

  /** Resolves when every edit made so far is stored as far as the options say. */
  flush(options: FlushOptions = {}): Promise<void> {
    return this.#core.flush(options);
  }

  /**
   * Calls back once per burst in which an object changed, by whomever. Gives the
   * function that ends this; it may be called again.
   */
  observe(object: object, callback: () => void): () => void {
    return this.#core.observe(object, callback);
  }

  /**
   * The values that were set concurrently under one name, the one that stands
   * first; empty if there is no conflict. A deletion is undefined. Setting the
   * property ends the conflict.
   */
  conflicts(object: object, key: string): unknown[] {
    return this.#core.conflicts(object, key);
  }
}
