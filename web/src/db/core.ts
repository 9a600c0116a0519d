import { EchospaceError, reportUncaught, toEchospaceError } from '../errors.js';
import type { RawSpace } from '../raw.js';
import type { Runtime } from '../runtime.js';
import { afterCall, nextTask } from '../tasks.js';
import { Reader, Writer } from '../wire.js';
import { type Host, type Item, op, type PlaceOfText, writeOp } from './container.js';
import type { FlushOptions } from './database.js';
import { Timeline } from './history.js';
import { type IdKey, idSize, keyAt, keyBytes, keysIn } from './ids.js';
import { IndexBuilder } from './indexbuilder.js';
import { type IndexDefinition, type QueryPlan, readPlan } from './indexes.js';
import { ObjectNode, objectNodeOf } from './live.js';
import type { LiveQuery, QueryHost } from './query.js';
import { loadTogether, readRecord } from './records.js';
import type { Placed } from './rows.js';
import { type Text, textAccess } from './text.js';
import { TextRows } from './textrows.js';
import { type UndoHost, UndoManager, undoCall } from './undo.js';
import { isWellFormed, type Path, readValue } from './values.js';
import { beginTouch, judge, type Touched } from './view.js';

/** What a database needs of its space. */
export interface DatabaseSpace {
  readonly runtime: Runtime;
  readonly raw: RawSpace;
  readonly isOpen: boolean;
  /** False when the own role allows no edits. */
  readonly mayWrite: boolean;
}

/** The id of the object that holds a space's properties. */
const propertiesKey = keyAt(new Uint8Array(idSize).fill(1, idSize - 1));

/** Bytes of changes that are taken from the core at a time, and how long that may keep the page. */
const changesLimit = 64 << 10;
/** After how many bytes the edits of a burst are handed to the core before the burst ends. */
const burstLimit = 16 << 10;
const sliceMs = 8;
/** Bytes of the message of a transaction. */
const maxMessage = 1 << 10;

/** The working part of a {@link Database}: the objects in memory and the traffic with the core. */
export class Core implements Host, QueryHost, UndoHost {
  readonly #space: DatabaseSpace;
  readonly #objects = new Map<IdKey, ObjectNode>();
  /** Objects whose content is not read yet, in the order in which queries gave them. */
  readonly #unread: ObjectNode[] = [];
  readonly #queries = new Map<number, LiveQuery>();
  readonly #observers = new Map<ObjectNode, Set<() => void>>();
  readonly #changed = new Set<ObjectNode>();
  /** Items of lists that the core will number, in that order. */
  #newItems: Item[] = [];
  /** Texts that the page knows ahead of the core. */
  readonly #ahead = new Set<Text>();
  readonly #ops = new Writer();
  #undo: (() => void)[] = [];
  /** The objects with a type that the edits under way have changed. */
  readonly #touched = new Map<ObjectNode, Touched>();
  #depth = 0;
  /** Edits that come next may join the last step of the undo stack. */
  #stepOpen = true;
  #failure: EchospaceError | undefined;
  #stop: (() => void) | undefined;
  #pumping = false;
  #settled = true;
  /** There were edits: what they woke in the core has not run yet. */
  #yieldDue = false;
  readonly #indexes: IndexBuilder;
  readonly texts: TextRows;
  /** The past of the database. */
  readonly timeline: Timeline;
  readonly undo = new UndoManager(this);
  version = 0;

  constructor(space: DatabaseSpace) {
    this.#space = space;
    this.#indexes = new IndexBuilder(space, (error) => this.#failed(toEchospaceError(error)));
    this.texts = new TextRows(space, () => this.#handle());
    this.timeline = new Timeline(space, this);
  }

  /** The space's properties: an object that every space has. */
  get properties(): ObjectNode {
    return this.#node(propertiesKey);
  }

  // Opening and closing.

  /** Follows the core's changes from now on: the space has been opened. */
  attach(): void {
    if (this.#stop) return;
    this.commit();
    this.#stepOpen = true;
    this.#stop = this.#space.runtime.call(() =>
      this.#space.raw.onChange((late) => {
        this.version++;
        if (this.#pumping && !late) afterCall(() => this.#takeTexts());
        else this.#schedule(late);
      }),
    );
    this.undo.open();
    this.texts.generation++;
    for (const node of this.#objects.values()) this.#forget(node);
    this.texts.reopen();
    this.#indexes.attach();
    for (const query of [...this.#queries.values()]) query.replace(this.run(query.encoded, query));
    this.version++;
    this.#schedule();
  }

  /** Stops: the space has been closed. What was read stays readable, but texts; the rest is refused. */
  detach(): void {
    this.#takeBack(0, 0, 0);
    this.#stop?.();
    this.#stop = undefined;
    this.#indexes.detach();
    this.undo.close();
    this.version++;
  }

  get isOpen(): boolean {
    return this.#space.isOpen;
  }

  #handle(): number {
    if (!this.#space.isOpen) {
      throw new EchospaceError(
        'SPACE_CLOSED',
        `the space ${this.#space.raw.id} is not open; call open() first`,
      );
    }
    return this.#space.raw.handle;
  }

  // Objects.

  #node(key: IdKey): ObjectNode {
    const known = this.#objects.get(key);
    if (known) return known;
    const node = ObjectNode.stored(key, this);
    this.#objects.set(key, node);
    this.#forget(node);
    return node;
  }

  /** Lets an object be read again at its next touch. */
  #forget(node: ObjectNode): void {
    node.loaded = false;
    node.unreadAt ??= this.#unread.push(node) - 1;
  }

  find(key: IdKey): ObjectNode | undefined {
    const handle = this.#handle();
    let node = this.#objects.get(key);
    if (!node) {
      const r = new Reader(this.#space.runtime.read(handle, keyBytes(key)));
      r.array();
      if (r.skipNil()) return undefined;
      node = readRecord(r, (key) => this.#node(key));
    }
    node.ensureRead();
    return node.deleted ? undefined : node;
  }

  load(object: ObjectNode): void {
    const handle = this.#handle();
    loadTogether(
      object,
      this.#unread,
      (ids) => this.#space.runtime.read(handle, ids),
      (key) => this.#node(key),
    );
  }

  // Edits.

  beginEdit(): Writer {
    this.#handle();
    if (!this.#space.mayWrite)
      throw new EchospaceError('NOT_PERMITTED', 'your role in this space is to read');
    return this.#ops;
  }

  endEdit(object: ObjectNode, undo: () => void): void {
    this.#undo.push(undo);
    this.#changed.add(object);
    this.version++;
    this.#settled = false;
    if (this.#depth > 0) return;
    if (this.#ops.length >= burstLimit) this.commit();
    else this.#schedule();
  }

  add(value: object): ObjectNode {
    this.beginEdit();
    const known = objectNodeOf(value);
    if (known?.host === this) return known;
    if (known?.host) throw new EchospaceError('INVALID_ARGUMENT', 'add: the object belongs to another space');
    const node = known ?? ObjectNode.detached(value);
    this.adopt(node);
    return node;
  }

  adopt(node: ObjectNode): void {
    node.host = this;
    try {
      node.enter(this);
    } catch (error) {
      node.host = undefined;
      throw error;
    }
    node.writeCreate(this.beginEdit());
    this.#objects.set(node.key, node);
    this.endEdit(node, () => {
      node.host = undefined;
      this.#objects.delete(node.key);
    });
  }

  setRemoved(object: object, removed: boolean): void {
    const node = this.#own(object);
    node.ensureLoaded();
    const w = this.beginEdit();
    if (node.deleted === removed) return;
    w.array(2);
    w.uint(removed ? op.remove : op.restore);
    w.bin(keyBytes(node.key));
    node.deleted = removed;
    this.endEdit(node, () => {
      node.deleted = !removed;
    });
  }

  #own(object: object): ObjectNode {
    const node = objectNodeOf(object);
    if (node?.host !== this)
      throw new EchospaceError('INVALID_ARGUMENT', 'this is not an object of this space');
    return node;
  }

  addItems(items: Item[]): void {
    for (const item of items) this.#newItems.push(item);
  }

  get inTransaction(): boolean {
    return this.#depth > 0;
  }

  addText(text: Text): void {
    this.#ahead.add(text);
  }

  editText(place: PlaceOfText, row: number, pos: number, deleted: number, inserted: string): void {
    if (this.#ops.length > 0) this.commit();
    try {
      this.#space.runtime.editText(this.#space.raw.handle, row, pos, deleted, inserted);
    } catch (error) {
      this.beginEdit(); // says it better if the space is closed or only read
      throw error;
    }
    this.#stepOpen = true;
    this.#changed.add(place.container.object);
    this.version++;
    this.#settled = false;
    this.#yieldDue = true;
    this.#schedule();
  }

  beginTextEdit(place: PlaceOfText, text: Text): Writer {
    const w = this.beginEdit();
    writeOp(w, op.edit, place.container.object.key, place.path(text));
    return w;
  }

  beginFormat(place: PlaceOfText, text: Text): Writer {
    const w = this.beginEdit();
    writeOp(w, op.format, place.container.object.key, place.path(text));
    return w;
  }

  endTextEdit(place: PlaceOfText, text: Text, undo: () => void): void {
    this.#ahead.add(text);
    this.endEdit(place.container.object, undo);
  }

  transact<R>(f: () => R, message?: string): R {
    if (message !== undefined && (typeof message !== 'string' || !isWellFormed(message)))
      throw new EchospaceError('INVALID_ARGUMENT', `transact: the message ${String(message)} is no string`);
    this.beginEdit();
    const outer = this.#depth === 0;
    if (outer) this.#endStep();
    const result = this.#together(() => {
      if (outer && message) this.#writeMessage(message);
      const { length } = this.#ops;
      const given = f();
      refuseThenable(given);
      if (outer && this.#ops.length === length) this.#ops.truncate(0); // a message of nothing
      return given;
    });
    if (outer) {
      this.commit(true);
      this.#endStep();
    }
    return result;
  }

  /** Hands over what waits: what comes next is another step of the undo stack. */
  #endStep(): void {
    this.commit(true);
    if (!this.#stepOpen) return;
    this.#stepOpen = false;
    this.changeUndo(undoCall.endStep);
  }

  #writeMessage(message: string): void {
    if (new TextEncoder().encode(message).length > maxMessage)
      throw new EchospaceError('TOO_LARGE', `transact: the message is over ${maxMessage} bytes`);
    this.#ops.array(2);
    this.#ops.uint(op.message);
    this.#ops.str(message);
  }

  edit<R>(object: ObjectNode, path: Path, f: () => R): R {
    this.beginEdit();
    const result = this.#together(() => {
      this.#touched.set(object, beginTouch(object, path, this.#touched.get(object)));
      return f();
    });
    if (this.#depth === 0 && this.#ops.length >= burstLimit) this.commit();
    return result;
  }

  /** Makes edits together or, if something throws or a type refuses what comes out, not at all. */
  #together<R>(f: () => R): R {
    const { length } = this.#ops;
    const steps = this.#undo.length;
    const items = this.#newItems.length;
    this.#depth++;
    try {
      const result = f();
      if (this.#depth === 1) for (const [object, touched] of this.#touched) judge(object, touched);
      return result;
    } catch (error) {
      this.#takeBack(length, steps, items);
      throw error;
    } finally {
      this.#depth--;
      if (this.#depth === 0) {
        this.#touched.clear();
        if (this.#ops.length > 0) this.#schedule();
      }
    }
  }

  // Undo.

  revert(redo: boolean): boolean {
    this.beginEdit();
    if (this.#depth > 0)
      throw new EchospaceError('INVALID_ARGUMENT', 'undo and redo do not go into a transaction');
    this.commit();
    this.#stepOpen = true;
    const done = this.#space.runtime.undo(this.#handle(), redo ? undoCall.redo : undoCall.undo) > 0;
    this.version++;
    this.#settled = false;
    this.#yieldDue = true;
    // What it changed, the core tells as it does of edits of others.
    this.#drain(Number.POSITIVE_INFINITY);
    this.#schedule();
    return done;
  }

  changeUndo(what: number, n = 0): void {
    const handle = this.#handle();
    this.commit();
    this.#space.runtime.undo(handle, what, n);
    this.#schedule();
  }

  undoState(): Uint8Array {
    const handle = this.#handle();
    this.commit();
    return this.#space.runtime.undoState(handle);
  }

  /** Undoes the edits after a point, the last one first. */
  #takeBack(length: number, steps: number, items: number): void {
    for (const object of this.#changed) object.view?.restore(object);
    for (const undo of this.#undo.splice(steps).reverse()) undo();
    this.#newItems.length = items;
    this.#ops.truncate(length);
    this.version++;
  }

  /**
   * Hands the edits of this burst to the core, as the last of a step if `endStep` says
   * so. Throws, with all of them undone, if it refuses.
   */
  commit(endStep = false): void {
    if (this.#depth > 0 || this.#ops.length === 0) return;
    try {
      for (const text of this.#ahead) textAccess().writeMarks(text, this);
      this.#apply(endStep);
    } catch (error) {
      this.#takeBack(0, 0, 0);
      throw error;
    }
    this.#ops.truncate(0);
    this.#undo = [];
    this.#yieldDue = true;
    for (const text of this.#ahead) textAccess().settle(text);
    this.#ahead.clear();
    this.#schedule();
  }

  #apply(endStep: boolean): void {
    const { runtime } = this.#space;
    const handle = this.#handle();
    let number = this.#newItems.length > 0 ? runtime.countItems(handle) : 0;
    runtime.apply(handle, this.#ops.bytes, endStep);
    this.#stepOpen = !endStep;
    if (this.#newItems.length === 0) return;
    for (const item of this.#newItems) item.number = number++;
    this.#newItems = [];
  }

  async flush(options: FlushOptions): Promise<void> {
    this.#handle();
    this.commit();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
    const { raw, runtime } = this.#space;
    const stored =
      (options.to ?? 'store') === 'store' && options.timeout === undefined
        ? new Promise<void>((resolve, reject) => {
            runtime.call(() => raw.flushThen((error) => (error ? reject(error) : resolve())));
          })
        : raw.flush(options);
    await runtime.guard(stored);
  }

  // What the core reports.

  /** Arranges one round of {@link #pump} after the current call, or late, after the current task; never inside a call of the core. */
  #schedule(late = false): void {
    if (this.#pumping) return;
    this.#pumping = true;
    (late ? nextTask : afterCall)(() => this.#pump());
  }

  /** Takes what changed and tells of it, in several tasks if it takes long. */
  #pump(taken = false): void {
    this.#pumping = false;
    let more = false;
    let late = false;
    try {
      if (!this.#space.isOpen) return;
      this.#commitAlone();
      if (this.#stepOpen || this.undo.watched)
        this.undo.follow(this.#space.runtime.undo(this.#handle(), undoCall.endTask));
      const begun = performance.now();
      more = this.#drain(begun + sliceMs);
      late = !taken && performance.now() - begun > sliceMs / 2;
    } catch (error) {
      this.#failed(toEchospaceError(error));
    }
    if (more || late) {
      // A transaction may be half taken: nobody is told before the rest is here.
      this.#pumping = true;
      nextTask(() => this.#pump(!more));
    } else {
      this.#notify();
    }
    // Who waits for what was told goes on first.
    afterCall(() => {
      if (!this.#pumping) this.#indexes.build();
      this.#giveTurn();
    });
  }

  /**
   * Tells what happened in texts while the rest waits for its task: an editor
   * whose text is behind that of the core would put the next key elsewhere.
   */
  #takeTexts(): void {
    if (!this.#space.isOpen) return;
    this.#commitAlone();
    try {
      this.#drain(0);
    } catch (error) {
      this.#failed(toEchospaceError(error));
    }
  }

  /**
   * Lets what edits woke in the core run, in a task of its own: it seals and
   * stores, a millisecond for which nobody who was called back is to wait.
   */
  #giveTurn(): void {
    if (!this.#yieldDue) return;
    this.#yieldDue = false;
    nextTask(() => {
      try {
        this.#space.runtime.yield();
      } catch (error) {
        this.#failed(toEchospaceError(error));
      }
    });
  }

  /** Hands over edits that nobody waits for. That they are refused does not keep changes from being read. */
  #commitAlone(): void {
    try {
      this.commit(true);
    } catch (error) {
      this.#failed(toEchospaceError(error));
    }
  }

  /** An edit was refused, or the core is gone, when nobody was there to catch it. */
  #failed(error: EchospaceError): void {
    if (error.code === 'CRASHED') return;
    this.#failure = error;
    reportUncaught(error);
  }

  /** Takes changes until there are none or the time is over; tells whether there are more. */
  #drain(until: number): boolean {
    for (;;) {
      const batch = this.#space.runtime.changes(this.#handle(), changesLimit);
      const more = batch !== undefined && this.#takeChanges(new Reader(batch));
      if (!more) this.#settled = true;
      if (!more || performance.now() > until) return more;
    }
  }

  /**
   * Reads `[[record...], [[query, [[index, id]...], [[index, id]...], changed ids]...],
   * [[text, [pos, deleted, inserted, local]...]...], more]`. Who observes a text
   * is told at once, since further edits build on it.
   */
  #takeChanges(r: Reader): boolean {
    r.array();
    for (let n = r.array(); n > 0; n--) this.#takeRecord(r);
    for (let n = r.array(); n > 0; n--) this.#takeQueryChange(r);
    const tell = this.texts.takeChanges(r);
    const more = r.bool();
    tell();
    return more;
  }

  /** Takes a record of an object that callers hold; others are read when they are wanted. */
  #takeRecord(r: Reader): void {
    const size = r.array();
    const node = this.#objects.get(keyAt(r.bin()));
    const flags = r.int();
    if (node) {
      node.deleted = (flags & 1) !== 0;
      this.#changed.add(node);
    }
    if (node?.loaded) node.loadFrom(r);
    else r.skip();
    for (let i = 3; i < size; i++) r.skip();
  }

  #takeQueryChange(r: Reader): void {
    r.array();
    const query = this.#queries.get(r.int());
    const removed = this.#readPlaced(r);
    const added = this.#readPlaced(r);
    const changed = keysIn(r.bin()).map((key) => this.#node(key));
    query?.change(removed, added, changed);
  }

  #readPlaced(r: Reader): Placed<ObjectNode>[] {
    const placed: Placed<ObjectNode>[] = [];
    for (let n = r.array(); n > 0; n--) {
      r.array();
      placed.push([r.int(), this.#node(keyAt(r.bin()))]);
    }
    return placed;
  }

  #notify(): void {
    for (const query of [...this.#queries.values()]) query.notify();
    const changed = this.#observers.size > 0 ? [...this.#changed] : [];
    this.#changed.clear();
    for (const node of changed) {
      for (const callback of [...(this.#observers.get(node) ?? [])]) {
        try {
          callback();
        } catch (error) {
          reportUncaught(error);
        }
      }
    }
  }

  /** Resolves when all that the core had to report is taken. */
  async caughtUp(): Promise<void> {
    while (this.#pumping) await new Promise<void>(nextTask);
  }

  observe(object: object, callback: () => void): () => void {
    const node = this.#own(object);
    const observer = () => callback();
    const observers = this.#observers.get(node) ?? new Set();
    this.#observers.set(node, observers.add(observer));
    return () => {
      observers.delete(observer);
      if (observers.size === 0 && this.#observers.get(node) === observers) this.#observers.delete(node);
    };
  }

  // Queries.

  settle(): void {
    this.#handle();
    if (this.#depth > 0) return;
    this.commit();
    if (!this.#settled && this.#queries.size > 0) this.#drain(Number.POSITIVE_INFINITY);
  }

  run(encoded: Writer, live?: LiveQuery): ObjectNode[] {
    const handle = this.#handle();
    this.commit();
    const { runtime } = this.#space;
    let ids: Uint8Array;
    if (live) {
      const opened = runtime.openQuery(handle, encoded);
      ids = opened.ids;
      if (live.number !== undefined) this.#queries.delete(live.number);
      live.number = opened.query;
      this.#queries.set(opened.query, live);
    } else {
      ids = runtime.query(handle, encoded);
    }
    this.#indexes.build();
    return keysIn(ids).map((key) => this.#node(key));
  }

  count(encoded: Writer): number {
    const count = this.#space.runtime.countQuery(this.#handle(), encoded);
    this.#indexes.build();
    return count;
  }

  explain(encoded: Writer, live: boolean): QueryPlan {
    const plan = readPlan(new Reader(this.#space.runtime.explainQuery(this.#handle(), encoded)), live);
    this.#indexes.build();
    return plan;
  }

  createIndex(definition: IndexDefinition): Promise<void> {
    this.#handle();
    return this.#indexes.create(definition);
  }

  dropIndex(definition: IndexDefinition): void {
    this.#handle();
    this.#indexes.drop(definition);
  }

  close(live: LiveQuery): void {
    const { number } = live;
    if (number === undefined) return;
    live.number = undefined;
    this.#queries.delete(number);
    if (this.#space.isOpen) this.#space.runtime.closeQuery(this.#space.raw.handle, number);
  }

  conflicts(object: object, key: string): unknown[] {
    const node = this.#own(object);
    const handle = this.#handle();
    if (this.#depth === 0) {
      this.commit();
      this.#drain(Number.POSITIVE_INFINITY); // the object is to show the value that stands first here
    }
    const request = new Writer();
    request.array(2);
    request.bin(keyBytes(node.key));
    request.array(1);
    request.str(key);
    const r = new Reader(this.#space.runtime.conflicts(handle, request));
    const values: unknown[] = [];
    const writers = r.array();
    for (let i = 0; i < writers; i++) {
      const encoded = r.bin();
      values.push(encoded.length > 0 ? this.#plainValue(new Reader(encoded)) : undefined);
    }
    return writers > 1 ? values : [];
  }

  /** Reads a value of no object: maps as plain objects, references as the objects that are here. */
  #plainValue(r: Reader): unknown {
    return readValue<unknown>(r, {
      reference: (id) => this.find(keyAt(id))?.proxy,
      map: (reader, size) => {
        const entries: [string, unknown][] = [];
        for (let i = 0; i < size; i++) entries.push([reader.str(), this.#plainValue(reader)]);
        return Object.fromEntries(entries);
      },
      text: (row) => this.texts.read(row, 0, 2 ** 31 - 1),
      list: (reader, size) => {
        const values: unknown[] = [];
        for (let i = 0; i < size; i += 2) {
          reader.skip();
          values.push(this.#plainValue(reader));
        }
        return values;
      },
    });
  }
}

function refuseThenable(result: unknown): void {
  const then = typeof result === 'object' && result !== null && 'then' in result ? result.then : undefined;
  if (typeof then !== 'function') return;
  Promise.resolve(result).catch(() => undefined);
  throw new EchospaceError(
    'INVALID_ARGUMENT',
    'transact: the function gave a promise; a transaction is synchronous',
  );
}
