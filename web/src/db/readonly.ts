import { EchospaceError } from '../errors.js';
import type { RawSpace } from '../raw.js';
import type { Runtime } from '../runtime.js';
import { Reader, type Writer } from '../wire.js';
import type { Host } from './container.js';
import type { Filter } from './filter.js';
import { type IdKey, keyBytes, keyFromHex, keysIn } from './ids.js';
import { type QueryPlan, readPlan } from './indexes.js';
import { type Live, ObjectNode } from './live.js';
import { Query, type QueryHost, type QueryOptions } from './query.js';
import { loadTogether, readRecord } from './records.js';
import { TextRows } from './textrows.js';
import { ObjectType } from './type.js';
import type { Version } from './version.js';

/** Gives back what the core holds of a version that nobody holds any more. */
const forgotten = new FinalizationRegistry<() => void>((release) => release());

function refuse(): never {
  throw new EchospaceError(
    'NOT_PERMITTED',
    'this is a past version of the space, which cannot be changed; db.restore() makes it the present one',
  );
}

/** The objects of a version, which the core holds under a handle. */
export class PastCore implements Host, QueryHost {
  readonly #runtime: Runtime;
  #handle: number | undefined;
  readonly #release: () => void;
  readonly #objects = new Map<IdKey, ObjectNode>();
  readonly #unread: ObjectNode[] = [];
  readonly texts: TextRows;
  readonly version = 0;
  readonly inTransaction = false;

  constructor(runtime: Runtime, raw: RawSpace, handle: number) {
    this.#runtime = runtime;
    this.#handle = handle;
    this.#release = () => {
      if (!runtime.crashed) raw.releasePast(handle);
    };
    this.texts = new TextRows({ runtime, isOpen: true }, () => this.#open());
    forgotten.register(this, this.#release, this);
  }

  #open(): number {
    if (this.#handle === undefined) throw new EchospaceError('CLOSED', 'the version was closed');
    return this.#handle;
  }

  close(): void {
    if (this.#handle === undefined) return;
    this.#handle = undefined;
    forgotten.unregister(this);
    this.#release();
  }

  #node(key: IdKey): ObjectNode {
    let node = this.#objects.get(key);
    if (!node) {
      node = ObjectNode.stored(key, this);
      this.#objects.set(key, node);
      node.unreadAt = this.#unread.push(node) - 1;
    }
    return node;
  }

  find(key: IdKey): ObjectNode | undefined {
    const known = this.#objects.get(key);
    if (known) {
      known.ensureRead();
      return known.deleted ? undefined : known;
    }
    const r = new Reader(this.#runtime.read(this.#open(), keyBytes(key)));
    r.array();
    if (r.skipNil()) return undefined;
    const node = readRecord(r, (key) => this.#node(key));
    return node.deleted ? undefined : node;
  }

  load(object: ObjectNode): void {
    const handle = this.#open();
    loadTogether(
      object,
      this.#unread,
      (ids) => this.#runtime.read(handle, ids),
      (key) => this.#node(key),
    );
  }

  // Queries: their results never change.

  settle(): void {
    this.#open();
  }

  run(encoded: Writer): ObjectNode[] {
    return keysIn(this.#runtime.query(this.#open(), encoded)).map((key) => this.#node(key));
  }

  count(encoded: Writer): number {
    return this.#runtime.countQuery(this.#open(), encoded);
  }

  explain(encoded: Writer): QueryPlan {
    return readPlan(new Reader(this.#runtime.explainQuery(this.#open(), encoded)), false);
  }

  // Nothing can be changed.

  commit(): void {}
  edit = refuse;
  beginEdit = refuse;
  endEdit = refuse;
  adopt = refuse;
  addText = refuse;
  addItems = refuse;
  editText = refuse;
  transact = refuse;
  beginFormat = refuse;
  beginTextEdit = refuse;
  endTextEdit = refuse;
}

/**
 * The objects of a space as they were at a version. They look like live ones, do
 * not change, and refuse edits with NOT_PERMITTED.
 */
export class ReadonlyDatabase {
  /** The version that this is. */
  readonly version: Version;
  readonly #core: PastCore;

  /** @internal */
  constructor(core: PastCore, version: Version) {
    this.#core = core;
    this.version = version;
  }

  /** Finds an object by id; undefined if there was none then, or it was removed. */
  get<T extends object = Record<string, unknown>>(id: string): Readonly<Live<T>> | undefined {
    const key = keyFromHex(id);
    return key && (this.#core.find(key)?.proxy as Readonly<Live<T>> | undefined);
  }

  /** Asks for objects as {@link Database.query} does; its `objects` are those of the version. */
  // biome-ignore lint/suspicious/noExplicitAny: what the type takes does not matter here.
  query<T extends object>(type: ObjectType<any, T>, filter?: Filter<T>, options?: QueryOptions): Query<T>;
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
   * Lets go of the version. It may be called again. Objects that were read stay
   * readable, but texts; everything else fails with CLOSED.
   */
  close(): void {
    this.#core.close();
  }
}
