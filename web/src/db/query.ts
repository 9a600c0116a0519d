import { reportUncaught } from '../errors.js';
import { Writer } from '../wire.js';
import { type Definition, typeKey, versionKey } from './definition.js';
import {
  type DeletedOption,
  type Filter,
  type Order,
  testOfConditions,
  wholeNumber,
  writeQuery,
} from './filter.js';
import type { QueryPlan } from './indexes.js';
import type { Live, ObjectNode } from './live.js';
import { passes } from './matching.js';
import { type Placed, Rows } from './rows.js';

/** How a query is to answer. */
export interface QueryOptions {
  /** Whether removed objects are left out (the default), given too, or given alone. */
  deleted?: DeletedOption;
  /**
   * What to sort by, the first first: `'title'`, `{ by: ['owner', 'name'] }`,
   * `{ by: 'rank', descending: true }`, `'$relevance'` (see {@link Order}). Objects that are equal in all of it, and
   * all without it, come in the order in which they were created. What is missing
   * comes first, then null, booleans, numbers, strings by code point, dates, big
   * integers, and the rest.
   */
  order?: Order | readonly Order[];
  /** How many objects to leave out before the first. */
  offset?: number;
  /** How many objects to give at most. */
  limit?: number;
}

/** What a subscriber of a query gets: the whole result, and how it differs from the one before. */
export interface QueryResult<T extends object> {
  /** The whole result as it is now. It is put together when it is first asked for. */
  readonly objects: readonly Live<T>[];
  /** What came into the result. */
  readonly added: readonly Live<T>[];
  /** What was in the result and is, and has changed, or stands elsewhere. */
  readonly changed: readonly Live<T>[];
  /** Those of `changed` that stand elsewhere among the others than before. */
  readonly moved: readonly Live<T>[];
  /** What left the result. */
  readonly removed: readonly Live<T>[];
}

/** What a query needs of its database. */
export interface QueryHost {
  /** A number that grows with every change that a result may depend on. */
  readonly version: number;
  /** Sends local edits to the core and takes what it has to say about open queries. */
  settle(): void;
  /** Runs a query once, or opens it so that its changes reach {@link LiveQuery}. */
  run(encoded: Writer, live?: LiveQuery): ObjectNode[];
  count(encoded: Writer): number;
  explain(encoded: Writer, live: boolean): QueryPlan;
  close(live: LiveQuery): void;
}

/** The side of a query that its database feeds. */
export interface LiveQuery {
  /** The query's number in the core while it is open there. */
  number: number | undefined;
  readonly encoded: Writer;
  change(removed: Placed<ObjectNode>[], added: Placed<ObjectNode>[], changed: ObjectNode[]): void;
  replace(objects: ObjectNode[]): void;
  notify(): void;
}

/**
 * A question to a database whose answer is always current. Results are in the
 * order in which the objects were created, unless the options say another.
 */
export class Query<T extends object = Record<string, unknown>> {
  readonly #host: QueryHost;
  readonly #predicate: ((object: Live<T>) => boolean) | undefined;
  readonly #subscribers = new Set<(result: QueryResult<T>) => void>();
  readonly #live: LiveQuery;
  /** All objects that the core gives: what the predicate, if there is one, has to choose from. */
  #candidates = Rows.of<ObjectNode>([]);
  #passing = new Set<ObjectNode>();
  /** The objects of chunks of candidates. */
  readonly #lives = new WeakMap<readonly ObjectNode[], readonly Live<T>[]>();
  #objects: readonly Live<T>[] | undefined;
  /** Which part of what passes the predicate is given, and what it was when subscribers were told last. */
  #window: { offset: number; limit: number } | undefined;
  #told: readonly Live<T>[] = [];
  #version = -1;
  readonly #added = new Set<ObjectNode>();
  readonly #changed = new Set<ObjectNode>();
  readonly #moved = new Set<ObjectNode>();
  readonly #removed = new Set<ObjectNode>();
  readonly #windowed: boolean;

  /** @internal */
  constructor(host: QueryHost, filter: Filter<T> | undefined, options: QueryOptions, type?: Definition) {
    this.#host = host;
    const { conditions, predicate } = asked<T>(filter, type);
    this.#predicate = predicate;
    const encoded = new Writer();
    const { order = [], deleted = 'hide' } = options;
    const offset = wholeNumber('offset', options.offset ?? 0, 0);
    const limit = options.limit === undefined ? undefined : wholeNumber('limit', options.limit, 1);
    this.#windowed = offset > 0 || limit !== undefined;
    const orders = Array.isArray(order) ? (order as readonly Order[]) : [order as Order];
    if (this.#predicate) {
      // Which objects are in the window is known once the function was asked.
      writeQuery(encoded, conditions, deleted, { order: orders, offset: 0, limit: undefined });
      if (this.#windowed) this.#window = { offset, limit: limit ?? 2 ** 31 };
    } else {
      writeQuery(encoded, conditions, deleted, { order: orders, offset, limit });
    }
    this.#live = {
      number: undefined,
      encoded,
      change: (removed, added, changed) => this.#change(removed, added, changed),
      replace: (objects) => this.#replace(objects),
      notify: () => this.#notify(),
    };
  }

  /**
   * The current result, the own edits of this very moment included. The array
   * does not change afterwards. Inside `transact` it is the result before.
   *
   * @throws SPACE_CLOSED unless the space is open.
   */
  get objects(): readonly Live<T>[] {
    this.#refresh();
    return this.#visible();
  }

  /**
   * How many objects meet the conditions now, `offset` and `limit` aside. No
   * object is read for it, unless a function has to be asked.
   *
   * @throws SPACE_CLOSED unless the space is open.
   */
  get count(): number {
    if (this.#predicate) {
      this.#refresh();
      return this.#passing.size;
    }
    this.#host.settle();
    if (this.#live.number !== undefined && !this.#windowed) return this.#candidates.length;
    return this.#host.count(this.#live.encoded);
  }

  /**
   * Answers the query anew and tells how: by which indexes, and how many objects
   * were looked at. A function as filter is asked for every object besides.
   *
   * @throws SPACE_CLOSED unless the space is open.
   */
  explain(): QueryPlan {
    this.#host.settle();
    return this.#host.explain(this.#live.encoded, this.#live.number !== undefined);
  }

  #refresh(): void {
    this.#host.settle();
    if (this.#live.number !== undefined || this.#version === this.#host.version) return;
    this.#reset(this.#host.run(this.#live.encoded));
    this.#version = this.#host.version;
  }

  /**
   * Calls back with the current result before it returns, and then once per
   * burst of changes. Gives the function that ends this; it may be called again.
   */
  subscribe(callback: (result: QueryResult<T>) => void): () => void {
    if (this.#live.number === undefined) this.#reset(this.#host.run(this.#live.encoded, this.#live));
    const subscriber = (result: QueryResult<T>) => callback(result);
    this.#subscribers.add(subscriber);
    const objects = this.#visible();
    if (this.#window) this.#told = objects;
    callback({ objects, added: objects, changed: [], moved: [], removed: [] });
    return () => {
      if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return;
      this.#host.close(this.#live);
      this.#version = -1;
    };
  }

  #reset(candidates: ObjectNode[]): void {
    this.#candidates = Rows.of(candidates);
    this.#passing = new Set(this.#predicate ? candidates.filter((node) => this.#passes(node)) : []);
    this.#objects = undefined;
  }

  #visible(): readonly Live<T>[] {
    this.#objects ??= this.#list(this.#candidates);
    return this.#objects;
  }

  /** The objects of a list of candidates. */
  #list(candidates: Rows<ObjectNode>): readonly Live<T>[] {
    if (!this.#predicate) return Object.freeze(candidates.flatMap((chunk) => this.#livesOf(chunk)));
    let nodes = candidates.toArray().filter((node) => this.#passing.has(node));
    if (this.#window) nodes = nodes.slice(this.#window.offset, this.#window.offset + this.#window.limit);
    return Object.freeze(nodes.map(liveOf<T>));
  }

  #livesOf(chunk: readonly ObjectNode[]): readonly Live<T>[] {
    const known = this.#lives.get(chunk);
    if (known) return known;
    const lives = chunk.map(liveOf<T>);
    this.#lives.set(chunk, lives);
    return lives;
  }

  #passes(node: ObjectNode): boolean {
    try {
      return this.#predicate?.(liveOf<T>(node)) ?? true;
    } catch (error) {
      reportUncaught(error);
      return false;
    }
  }

  #change(removed: Placed<ObjectNode>[], added: Placed<ObjectNode>[], changed: ObjectNode[]): void {
    this.#objects = undefined;
    this.#candidates = this.#candidates.patched(removed, added);
    for (const [, node] of removed) this.#leave(node);
    for (const [, node] of added) this.#enterIfPassing(node);
    for (const node of changed) this.#judgeAgain(node);
  }

  /** Takes a whole new result, as after the space was closed and opened. */
  #replace(objects: ObjectNode[]): void {
    const before = new Set(this.#candidates.toArray());
    const after = new Set(objects);
    this.#candidates = Rows.of(objects);
    this.#objects = undefined;
    for (const node of before) if (!after.has(node)) this.#leave(node);
    for (const node of objects) {
      if (before.has(node)) this.#judgeAgain(node);
      else this.#enterIfPassing(node);
    }
  }

  #enterIfPassing(node: ObjectNode): void {
    if (this.#predicate && !this.#passes(node)) return;
    if (this.#predicate) this.#passing.add(node);
    if (!this.#removed.delete(node)) {
      this.#added.add(node);
      return;
    }
    this.#changed.add(node);
    this.#moved.add(node);
  }

  #leave(node: ObjectNode): void {
    if (this.#predicate && !this.#passing.delete(node)) return;
    this.#changed.delete(node);
    this.#moved.delete(node);
    if (!this.#added.delete(node)) this.#removed.add(node);
  }

  #judgeAgain(node: ObjectNode): void {
    if (this.#predicate) {
      const passed = this.#passing.has(node);
      const passes = this.#passes(node);
      if (passes && !passed) this.#enterIfPassing(node);
      if (!passes && passed) this.#leave(node);
      if (!passes || !passed) return;
    }
    if (!this.#added.has(node)) this.#changed.add(node);
  }

  /** What subscribers of a window over a predicate are told instead: what came into it, went out, or changed in it. */
  #throughWindow(): QueryResult<T> {
    const now = this.#visible();
    const before = new Set(this.#told);
    const after = new Set(now);
    const changed = new Set([...this.#changed, ...this.#added, ...this.#removed].map(liveOf<T>));
    const moved = new Set([...this.#moved].map(liveOf<T>));
    const result = {
      objects: now,
      added: now.filter((object) => !before.has(object)),
      changed: now.filter((object) => before.has(object) && changed.has(object)),
      moved: now.filter((object) => before.has(object) && moved.has(object)),
      removed: this.#told.filter((object) => !after.has(object)),
    };
    this.#told = now;
    return result;
  }

  /** What subscribers of any other query are told. */
  #difference(): QueryResult<T> {
    const rows = this.#candidates;
    let objects = this.#predicate ? this.#visible() : this.#objects;
    const list = () => (rows === this.#candidates ? this.#visible() : this.#list(rows));
    return {
      get objects() {
        objects ??= list();
        return objects;
      },
      added: [...this.#added].map(liveOf<T>),
      changed: [...this.#changed].map(liveOf<T>),
      moved: [...this.#moved].map(liveOf<T>),
      removed: [...this.#removed].map(liveOf<T>),
    };
  }

  #notify(): void {
    if (this.#added.size + this.#changed.size + this.#removed.size === 0) return;
    const result = this.#window ? this.#throughWindow() : this.#difference();
    this.#added.clear();
    this.#changed.clear();
    this.#moved.clear();
    this.#removed.clear();
    if (this.#window && result.added.length + result.changed.length + result.removed.length === 0) return;
    for (const subscriber of [...this.#subscribers]) {
      try {
        if (this.#subscribers.has(subscriber)) subscriber(result);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }
}

/**
 * Takes a filter apart into what the core is asked, which knows what is stored,
 * and what has to be asked of the objects themselves. Those of older versions
 * are all looked at, since a migration can give them any property.
 */
function asked<T extends object>(
  filter: Filter<T> | undefined,
  type: Definition | undefined,
): { conditions?: object | undefined; predicate?: ((object: Live<T>) => boolean) | undefined } {
  const predicate = typeof filter === 'function' ? filter : undefined;
  const conditions = typeof filter === 'function' ? undefined : (filter as object | undefined);
  if (!type) return { conditions, predicate };
  const ofType = { [typeKey]: type.name };
  if (!conditions) return { conditions: ofType, predicate };
  if (type.version === 1) return { conditions: { ...ofType, $and: [conditions] } };
  const test = testOfConditions([], conditions);
  return {
    conditions: { ...ofType, $or: [conditions, { [versionKey]: { $lt: type.version } }] },
    predicate: (object) => passes(test, object),
  };
}

function liveOf<T extends object>(node: ObjectNode): Live<T> {
  return node.proxy as Live<T>;
}
