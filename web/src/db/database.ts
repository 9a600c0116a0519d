import type { Core } from './core.js';
import { type Conditions, type Filter, type PropertyPath, relevance } from './filter.js';
import type { BlameRun, Change, Difference, HistoryOptions, RestoreOptions } from './history.js';
import { keyFromHex } from './ids.js';
import type { IndexDefinition } from './indexes.js';
import type { Live } from './live.js';
import { Query, type QueryOptions } from './query.js';
import type { ReadonlyDatabase } from './readonly.js';
import type { Text } from './text.js';
import { ObjectType } from './type.js';
import type { UndoManager } from './undo.js';
import { Version } from './version.js';

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

/** How {@link Database.search} is to answer. */
export interface SearchOptions<T extends object = Record<string, unknown>> extends QueryOptions {
  /** The properties that are searched, together. */
  in: readonly PropertyPath[];
  /** Further conditions. */
  where?: Conditions<T>;
}

/** Options of {@link Database.transact}. */
export interface TransactOptions {
  /**
   * What the transaction does, for the history and for {@link UndoManager.nextUndo}:
   * up to 1 KiB of UTF-8. That of a transaction within another is not used.
   */
  message?: string;
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

  /**
   * Makes the objects what they were at a version: those that were added since are
   * removed, those that were removed are back, and what was edited is edited back,
   * texts and lists by parts, counters by the difference. It is one transaction like
   * any other: what others write at the same time merges with it. Resolves when the
   * objects show it.
   *
   * @throws MISSING_DEPENDENCY, naming what of the version is not here; NOT_PERMITTED;
   *   SPACE_CLOSED; TOO_LARGE for a message over 1 KiB. Nothing is changed then.
   */
  restore(version: Version, options?: RestoreOptions): Promise<void>;
  /** Brings a removed object back, with its content. */
  restore(object: object): void;
  restore(what: object, options: RestoreOptions = {}): Promise<void> | undefined {
    if (what instanceof Version) return this.#core.timeline.restore(what, options);
    this.#core.setRemoved(what, false);
    return undefined;
  }

  /**
   * The version that the objects are now, all edits made so far included: a bookmark
   * for {@link at}, {@link diff} and {@link restore}, here and on every other device.
   * It waits until these edits are stored, since only then they have a name.
   *
   * @throws SPACE_CLOSED, or why storage refused the edits.
   */
  version(): Promise<Version> {
    return this.#core.timeline.version();
  }

  /**
   * Lists who changed what and when, the newest first: of the whole space, or of one
   * object, given as such or by its id. No change stands before one that follows it.
   *
   * @throws INVALID_ARGUMENT; NOT_FOUND for an unknown change to begin before;
   *   SPACE_CLOSED.
   */
  history(object?: object | string, options: HistoryOptions = {}): Promise<Change[]> {
    return this.#core.timeline.history(object, options);
  }

  /**
   * The objects as they were at a version, to read only. Close it when it is not
   * needed any more: it takes as much memory as the space had then.
   *
   * @throws MISSING_DEPENDENCY, naming what of the version has not arrived here;
   *   SPACE_CLOSED.
   */
  at(version: Version | string): Promise<ReadonlyDatabase> {
    return this.#core.timeline.at(version);
  }

  /** Tells how version `b` differs from `a`; see {@link at} for what it throws. */
  diff(a: Version | string, b: Version | string): Promise<Difference> {
    return this.#core.timeline.diff(a, b);
  }

  /**
   * Tells who wrote which part of a text, in order, and when.
   *
   * @throws INVALID_ARGUMENT for a text that is not in this database; SPACE_CLOSED.
   */
  blame(text: Text): Promise<BlameRun[]> {
    return this.#core.timeline.blame(text);
  }

  /** Finds an object by id; undefined if there is none, or it was removed. */
  get<T extends object = Record<string, unknown>>(id: string): Live<T> | undefined {
    const key = keyFromHex(id);
    return key && (this.#core.find(key)?.proxy as Live<T> | undefined);
  }

  /**
   * Asks for objects of a type. Those of older versions are judged by what they
   * show, but sorted by what is stored. Whether an object is as the type wants it
   * is not asked: see {@link ObjectType.problems}. A default that shows for a
   * property that is not stored is found once the type has another version than
   * the object.
   *
   * @throws INVALID_ARGUMENT for a filter or options that cannot be, and if this
   *   page defines a newer version of the type.
   */
  // biome-ignore lint/suspicious/noExplicitAny: what the type takes does not matter here.
  query<T extends object>(type: ObjectType<any, T>, filter?: Filter<T>, options?: QueryOptions): Query<T>;

  /**
   * Asks for objects: all, those with certain properties, or those that a
   * function accepts. Conditions are evaluated in the core; a function is
   * called for every object, and again for each that changes.
   */
  query<T extends object = Record<string, unknown>>(filter?: Filter<T>, options?: QueryOptions): Query<T>;

  query<T extends object>(
    first?: Filter<T> | ObjectType<object, T>,
    second?: Filter<T> | QueryOptions,
    third?: QueryOptions,
  ): Query<T> {
    if (first instanceof ObjectType)
      return new Query<T>(this.#core, second as Filter<T> | undefined, third ?? {}, first.definition);
    return new Query<T>(this.#core, first, (second as QueryOptions | undefined) ?? {});
  }

  /**
   * Searches properties for words: gives the objects that have all of them, best
   * first unless the options say another order. It is a query with the condition
   * `$search`, to which `where` adds others.
   *
   * @example db.search('quick fo', { in: ['title', 'body'], limit: 20 }).objects
   */
  search<T extends object = Record<string, unknown>>(
    words: string,
    { in: properties, where, ...options }: SearchOptions<T>,
  ): Query<T> {
    const search = { $search: { words, in: properties } } as Conditions<T>;
    const filter = where ? ({ $and: [search, where] } as unknown as Conditions<T>) : search;
    return this.query<T>(filter, { order: relevance, ...options });
  }

  /**
   * The objects that refer to an object, in the property of that name, or in any;
   * in lists and nested maps too. It is a query with the condition `$references`.
   */
  referrers<T extends object = Record<string, unknown>>(
    object: object,
    property?: PropertyPath,
    options: QueryOptions = {},
  ): Query<T> {
    const path = property === undefined ? [] : typeof property === 'string' ? [property] : property;
    const condition = path.reduceRight<object>((inner, key) => ({ [key]: inner }), { $references: object });
    return this.query<T>(condition as Conditions<T>, options);
  }

  /**
   * Declares an index, which makes queries fast that it is of use to. It belongs to
   * this page: it is not replicated, is filled in the background, and stays while
   * the space is closed and opened again. To declare it again does nothing. What is
   * often asked for gets indexes by itself; declare those that the first query is
   * to find, and for searches. Resolves when the index is filled, or the space was
   * closed; queries are right at any time.
   *
   * @example db.createIndex(['status', { by: 'due', descending: true }])
   * @example db.createIndex({ search: ['title', 'body'] })
   * @throws INVALID_ARGUMENT; TOO_LARGE for too many; SPACE_CLOSED.
   */
  createIndex(definition: IndexDefinition): Promise<void> {
    return this.#core.createIndex(definition);
  }

  /** Takes an index away; queries give the same without it. */
  dropIndex(definition: IndexDefinition): void {
    this.#core.dropIndex(definition);
  }

  /**
   * Runs `f`, whose edits take effect all together or, if it throws or the core
   * refuses one, not at all. Transactions may be nested; an inner one that
   * throws takes back its own edits only. The outermost one is one step of
   * {@link undo}, and one change of the history.
   *
   * @throws what `f` throws; INVALID_ARGUMENT if it gives a promise, and for a message
   *   that is no string; TOO_LARGE for one of over 1 KiB.
   */
  transact<R>(f: () => R, options: TransactOptions = {}): R {
    return this.#core.transact(f, options.message);
  }

  /** Undo and redo of what this page did. */
  get undo(): UndoManager {
    return this.#core.undo;
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
