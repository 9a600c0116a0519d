import { EchospaceError } from '../errors.js';
import type { Reader, Writer } from '../wire.js';
import {
  behind,
  Container,
  containerOf,
  type Host,
  type Kept,
  Merge,
  make,
  op,
  writeKept,
  writeMap,
  writeOp,
} from './container.js';
import { generation, reserved, typeKey, versionKey } from './definition.js';
import { type IdKey, keyToHex, newKey, writeKey } from './ids.js';
import { ListNode } from './list.js';
import { same } from './same.js';
import {
  checkKey,
  isPlain,
  isPlainObject,
  keysOf,
  maxDepth,
  type Path,
  readValue,
  sortKeys,
  unsupported,
} from './values.js';
import { beginTouch, judge, View } from './view.js';

/**
 * An object of a database as callers hold it: an ordinary-looking object whose
 * properties are read from memory and written through to the database. `id`
 * names it; it is neither an own nor an enumerable property, and a property of
 * the object's own called `id` takes its place (see {@link idOf}).
 */
export type Live<T extends object = Record<string, unknown>> = T extends { id: unknown }
  ? T
  : T & { readonly id: string };

type State = Record<string, Kept>;

/** Finds the object behind a live object; undefined for anything else, nested maps and lists too. */
export function objectNodeOf(value: unknown): ObjectNode | undefined {
  const node = containerOf(value);
  return node instanceof ObjectNode ? node : undefined;
}

/** One map, of an object or nested in one, and the handler of its Proxy. */
class MapNode extends Container implements ProxyHandler<State> {
  readonly state: State = {};
  readonly proxy: object;

  constructor(parent: Container | undefined, key: string) {
    super(parent, key);
    this.proxy = new Proxy(this.state, this);
  }

  locate(child: object, key: string): string | undefined {
    return this.state[key] === child ? key : undefined;
  }

  plain(): Record<string, unknown> {
    const entries = Object.entries(this.state).map(([key, kept]) => [key, this.plainOf(kept)] as const);
    // A reference to what is not here is no value yet.
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  *children(): Iterable<Kept> {
    for (const key of sortKeys(Object.keys(this.state))) yield this.state[key] as Kept;
  }

  // The traps of the Proxy.

  get(state: State, key: string | symbol, receiver: unknown): unknown {
    if (key === behind) return receiver === this.proxy ? this : undefined;
    this.object.ensureLoaded();
    if (typeof key === 'string' && Object.hasOwn(state, key)) return this.visible(state[key]);
    if (key === 'id' && !this.isNested) return this.object.id;
    return Reflect.get(state, key, receiver);
  }

  has(state: State, key: string | symbol): boolean {
    this.object.ensureLoaded();
    return Reflect.has(state, key);
  }

  ownKeys(state: State): (string | symbol)[] {
    this.object.ensureLoaded();
    return Reflect.ownKeys(state);
  }

  getOwnPropertyDescriptor(state: State, key: string | symbol): PropertyDescriptor | undefined {
    this.object.ensureLoaded();
    const descriptor = Reflect.getOwnPropertyDescriptor(state, key);
    if (descriptor) descriptor.value = this.visible(descriptor.value);
    return descriptor;
  }

  set(state: State, key: string | symbol, value: unknown, receiver: unknown): boolean {
    if (receiver !== this.proxy) return Reflect.set(state, key, value, receiver);
    this.#assign(key, value);
    return true;
  }

  defineProperty(_state: State, key: string | symbol, descriptor: PropertyDescriptor): boolean {
    const { get, set, enumerable = true, configurable = true, writable = true } = descriptor;
    if (get || set || !enumerable || !configurable || !writable) {
      throw unsupported([...this.path(), String(key)], 'only plain properties can be stored');
    }
    this.#assign(key, descriptor.value);
    return true;
  }

  deleteProperty(state: State, key: string | symbol): boolean {
    this.object.ensureLoaded();
    if (typeof key === 'symbol' || !Object.hasOwn(state, key)) return true;
    const { object } = this;
    const path = [...this.path(), key];
    object.edit(path, () => {
      const undo = this.#undoOf(key);
      const w = object.host?.beginEdit();
      if (w) writeOp(w, op.unset, object.key, path);
      delete state[key];
      object.endEdit(undo);
    });
    return true;
  }

  setPrototypeOf(state: State, prototype: object | null): boolean {
    return prototype === Object.getPrototypeOf(state);
  }

  preventExtensions(): boolean {
    return false;
  }

  #assign(key: string | symbol, value: unknown): void {
    this.object.ensureLoaded();
    if (typeof key === 'symbol')
      throw unsupported(this.path(), `the property ${String(key)} is named by a symbol`);
    const path = [...this.path(), key];
    checkKey(path, key);
    checkReserved(path);
    this.object.edit(path, () => this.#set(path, key, value));
  }

  #set(path: Path, key: string, value: unknown): void {
    const { object } = this;
    const { host } = object;
    host?.beginEdit();
    const kept = this.keep(path, key, value, []);
    if (host) this.admit(host, path, kept);
    const undo = this.#undoOf(key);
    const w = host?.beginEdit();
    if (w) {
      writeOp(w, op.set, object.key, path);
      writeKept(w, kept);
    }
    this.put(key, kept);
    object.endEdit(undo);
  }

  /** Sets a property without asking the type of the object. */
  assign(key: string, value: unknown): void {
    this.#set([...this.path(), key], key, value);
  }

  #undoOf(key: string): () => void {
    const { state } = this;
    if (!Object.hasOwn(state, key)) return () => delete state[key];
    const old = state[key] as Kept;
    return () => this.put(key, old);
  }

  /** Sets a property of the state; one called `__proto__` too. */
  put(key: string, kept: Kept): void {
    const value = this.place(kept, key);
    if (key !== '__proto__') this.state[key] = value;
    else
      Object.defineProperty(this.state, key, { value, writable: true, enumerable: true, configurable: true });
  }

  fill(path: Path, from: object, above: readonly object[]): void {
    const values = from as Record<string, unknown>;
    const shallow = path.length < maxDepth;
    for (const key of keysOf(path, from)) {
      if (path.length === 0) checkReserved([key]);
      const value = values[key];
      this.put(key, shallow && isPlain(value) ? value : this.keep([...path, key], key, value, above));
    }
  }

  merge(r: Reader, size: number): void {
    const before = Object.keys(this.state);
    const gone = before.length > 0 ? new Set(before) : undefined;
    const visitor = new Merge(this);
    for (let i = 0; i < size; i++) {
      const key = r.name();
      gone?.delete(key);
      visitor.key = key;
      visitor.old = this.state[key];
      const value = readValue<Kept>(r, visitor);
      if (!key.startsWith(reserved) || !this.bookkeep(key, value)) this.put(key, value);
    }
    for (const name of gone ?? []) delete this.state[name];
    visitor.end();
  }

  /** Takes what is no property of the object, but about it; tells whether it did. */
  protected bookkeep(_key: string, _value: Kept): boolean {
    return false;
  }

  write(w: Writer): void {
    writeMap(w, this.state);
  }
}

/** Refuses a property of an object that would be taken for bookkeeping. */
function checkReserved(path: Path): void {
  if (path.length === 1 && String(path[0]).startsWith(reserved))
    throw unsupported(path, `names that begin with ${reserved} are kept for types`);
}

make.map = (parent, key) => new MapNode(parent, key);
make.list = (parent, key) => new ListNode(parent, key);

/** An object: the map that is named by an id. */
export class ObjectNode extends MapNode {
  readonly key: IdKey;
  /** The database it is in; undefined for an Expando that was not added yet. */
  host: Host | undefined;
  /** False while its content is only in the core. */
  loaded: boolean;
  deleted = false;
  /** Where the database keeps it among the objects to read; undefined if it does not. */
  unreadAt: number | undefined;
  /** The name of its type, and the version in which it is stored. */
  type: string | undefined;
  version = 0;
  /** How it shows itself, if it has a type. */
  view: View | undefined;
  /** What takes back the edit that is under way, while it is in no database. */
  #undo: (() => void)[] | undefined;
  #id: string | undefined;

  private constructor(key: IdKey, host: Host | undefined, loaded: boolean) {
    super(undefined, '');
    this.key = key;
    this.host = host;
    this.loaded = loaded;
  }

  /** An object of the database whose content is read at first touch. */
  static stored(key: IdKey, host: Host): ObjectNode {
    return new ObjectNode(key, host, false);
  }

  /** A new object in no database, with a copy of a plain object's properties. */
  static detached(from: object): ObjectNode {
    if (!isPlainObject(from)) throw unsupported([], 'want a plain object');
    const node = new ObjectNode(newKey(), undefined, true);
    node.fill([], from, [from]);
    return node;
  }

  /** The same of a type, which has found nothing wrong with it. */
  static ofType(type: string, version: number, from: object): ObjectNode {
    const node = ObjectNode.detached(from);
    node.type = type;
    node.version = version;
    node.view = new View(node);
    return node;
  }

  get id(): string {
    this.#id ??= keyToHex(this.key);
    return this.#id;
  }

  /** Makes sure that what is stored of it has been read; how it shows itself may not be known yet. */
  ensureRead(): void {
    if (!this.loaded) this.host?.load(this);
  }

  ensureLoaded(): void {
    this.ensureRead();
    if (this.type !== undefined && this.view?.generation !== generation) this.#show();
  }

  /** Has it show itself as its type says now. */
  #show(): void {
    const before = this.view;
    before?.restore(this);
    // It is there before it is made, since validators may read this object.
    this.view = new View(this);
    this.view.make(this, before);
  }

  /** Takes over the content of a record: its flags were read, its map is next. */
  loadFrom(r: Reader): void {
    this.view?.restore(this);
    this.type = undefined;
    this.version = 1;
    readValue(r, {
      reference: () => undefined,
      map: (reader, size) => this.merge(reader, size),
    });
    this.loaded = true;
  }

  protected override bookkeep(key: string, value: Kept): boolean {
    if (key === typeKey && typeof value === 'string') this.type = value;
    if (key === versionKey && typeof value === 'number' && Number.isInteger(value)) this.version = value;
    return true;
  }

  override write(w: Writer): void {
    const { type, version } = this;
    writeMap(w, type === undefined ? this.state : { ...this.state, [typeKey]: type, [versionKey]: version });
  }

  // Edits of an object that has a type.

  /** Runs an edit at a path: all of it or, if the type of the object refuses what comes out, nothing. */
  edit<R>(path: Path, f: () => R): R {
    if (this.type === undefined) return f();
    this.ensureLoaded();
    if (this.host) return this.host.edit(this, path, f);
    if (this.#undo) return f();
    this.#undo = [];
    try {
      const touched = beginTouch(this, path, undefined);
      const result = f();
      judge(this, touched);
      return result;
    } catch (error) {
      this.view?.restore(this);
      for (const undo of this.#undo.reverse()) undo();
      throw error;
    } finally {
      this.#undo = undefined;
    }
  }

  /** Ends one step of an edit: `undo` takes it back. */
  endEdit(undo: () => void): void {
    this.#undo?.push(undo);
    this.host?.endEdit(this, undo);
  }

  /** Turns what a migration or a default gives into what is kept of it: what it was before, if it is the same. */
  keepShown(key: string, value: unknown, before: Kept | undefined): Kept {
    checkKey([key], key);
    checkReserved([key]);
    if (before !== undefined && same(this.plainOf(before), value)) return before;
    return this.keep([key], key, value, []);
  }

  putOrDelete(key: string, kept: Kept | undefined): void {
    if (kept === undefined) delete this.state[key];
    else this.put(key, kept);
  }

  /** Stores a property that only showed until now. */
  writeShown(key: string, undo: () => void): void {
    const kept = Object.hasOwn(this.state, key) ? this.state[key] : undefined;
    const { host } = this;
    if (host && kept !== undefined) this.admit(host, [key], kept);
    const w = host?.beginEdit();
    if (w) {
      writeOp(w, kept === undefined ? op.unset : op.set, this.key, [key]);
      if (kept !== undefined) writeKept(w, kept);
    }
    this.endEdit(undo);
  }

  /** Stores that the object is of another version now. */
  writeVersion(version: number): void {
    const before = this.version;
    const w = this.host?.beginEdit();
    if (w) {
      writeOp(w, op.set, this.key, [versionKey]);
      w.uint(version);
    }
    this.version = version;
    this.endEdit(() => {
      this.version = before;
    });
  }

  /** Writes the op that makes this object. */
  writeCreate(w: Writer): void {
    w.array(3);
    w.uint(op.create);
    writeKey(w, this.key);
    this.write(w);
  }

  /** Lets the host take in what this object refers to, and note what its creation makes. */
  enter(host: Host): void {
    this.ensureLoaded();
    this.view?.adopt(this);
    for (const key in this.state) {
      if (isPlain(this.state[key])) continue;
      this.admit(host, [], this.proxy);
      return;
    }
  }
}

/**
 * The id of a live object, whatever properties it has.
 *
 * @throws INVALID_ARGUMENT for anything else.
 */
export function idOf(object: object): string {
  const node = objectNodeOf(object);
  if (!node) throw new EchospaceError('INVALID_ARGUMENT', 'idOf: this is not a live object');
  return node.id;
}

/** Tells whether a value is a live object: of a database, or an {@link Expando}. */
export function isLive(value: unknown): value is Live {
  return objectNodeOf(value) !== undefined;
}

/** Tells whether a live object was removed from its database. */
export function isRemoved(object: object): boolean {
  return objectNodeOf(object)?.deleted ?? false;
}
