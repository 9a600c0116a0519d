import { EchospaceError } from '../errors.js';
import type { Reader, Writer } from '../wire.js';
import { Counter, isPlaced, placeCounter, setCounter } from './counter.js';
import { type IdKey, keyAt, keyBytes, keyToHex, newKey } from './ids.js';
import { Text, type TextHost, type TextPlace, textAccess } from './text.js';
import {
  checkDepth,
  checkKey,
  isPlainObject,
  keysOf,
  readValue,
  type Scalar,
  scalarOf,
  sortKeys,
  tag,
  unsupported,
  writeScalar,
} from './values.js';

/**
 * An object of a database as callers hold it: an ordinary-looking object whose
 * properties are read from memory and written through to the database. `id`
 * names it; it is neither an own nor an enumerable property, and a property of
 * the object's own called `id` takes its place (see {@link idOf}).
 */
export type Live<T extends object = Record<string, unknown>> = T extends { id: unknown }
  ? T
  : T & { readonly id: string };

/** What the object of a Proxy may hold: scalars, references, counters, texts, and the Proxies of nested maps. */
type Kept = Scalar | Ref | Counter | Text | object;
type State = Record<string, Kept>;

/** What a database does for its objects. */
export interface Host extends TextHost {
  /** Fills an object whose content has not been read yet. */
  load(object: ObjectNode): void;
  /** Finds an object by id; undefined until it has arrived, or when it was removed. */
  find(key: IdKey): ObjectNode | undefined;
  /** Makes sure that an edit is allowed now, and gives what its op is written to. */
  beginEdit(): Writer;
  /** Ends an edit that is done and written: `undo` takes it back if the core refuses it. */
  endEdit(object: ObjectNode, undo: () => void): void;
  /** Takes in an object that is in no database, with all that it refers to. */
  adopt(object: ObjectNode): void;
  /** Notes a text whose content the core does not know yet. */
  addText(text: Text): void;
}

/** Ops of the core (`core/objectdb`). */
export const op = { create: 1, set: 2, unset: 3, remove: 4, restore: 5, add: 6, edit: 7 } as const;

/** A reference to another object, resolved when it is read. */
class Ref {
  readonly key: IdKey;
  node: ObjectNode | undefined;

  constructor(key: IdKey, node?: ObjectNode) {
    this.key = key;
    this.node = node;
  }
}

const nodes = new WeakMap<object, MapNode>();

/** Finds the object behind a live object; undefined for anything else, nested maps too. */
export function objectNodeOf(value: unknown): ObjectNode | undefined {
  const node = typeof value === 'object' && value !== null ? nodes.get(value) : undefined;
  return node instanceof ObjectNode ? node : undefined;
}

/** One map, of an object or nested in one, and the handler of its Proxy. */
class MapNode implements ProxyHandler<State> {
  readonly state: State = {};
  readonly proxy: object;
  readonly #object: ObjectNode | undefined;
  readonly #parent: MapNode | undefined;
  readonly #key: string;

  constructor(object: ObjectNode | undefined, parent: MapNode | undefined, key: string) {
    this.#object = object;
    this.#parent = parent;
    this.#key = key;
    this.proxy = new Proxy(this.state, this);
    nodes.set(this.proxy, this);
  }

  /** The object that this map is, or is part of. */
  get object(): ObjectNode {
    return this.#object ?? (this as unknown as ObjectNode);
  }

  /** Where in the object this map is. Throws if it no longer is. */
  path(): string[] {
    if (!this.#parent) return [];
    const path = [...this.#parent.path(), this.#key];
    if (this.#parent.state[this.#key] !== this.proxy) {
      throw new EchospaceError('NOT_FOUND', `${path.join('.')}: this map is no longer part of its object`);
    }
    return path;
  }

  // The traps of the Proxy.

  get(state: State, key: string | symbol, receiver: unknown): unknown {
    this.object.ensureLoaded();
    if (typeof key === 'string' && Object.hasOwn(state, key)) return this.#visible(state[key]);
    if (key === 'id' && !this.#parent) return this.object.id;
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
    if (descriptor) descriptor.value = this.#visible(descriptor.value);
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
    const undo = this.#undoOf(key);
    const w = object.host?.beginEdit();
    if (w) writeOp(w, op.unset, object.key, path);
    delete state[key];
    object.host?.endEdit(object, undo);
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
    const { object } = this;
    const { host } = object;
    const path = [...this.path(), key];
    checkKey(path, key);
    host?.beginEdit();
    const kept = this.keep(path, key, value, []);
    if (host) adoptReferences(host, path, kept);
    const undo = this.#undoOf(key);
    const w = host?.beginEdit();
    if (w) {
      writeOp(w, op.set, object.key, path);
      writeKept(w, kept);
    }
    this.put(key, kept);
    host?.endEdit(object, undo);
  }

  /** What callers see of a kept value: never something whose change would bypass the database. */
  #visible(kept: unknown): unknown {
    if (typeof kept !== 'object' || kept === null) return kept;
    if (kept instanceof Ref) return this.#resolve(kept);
    if (kept instanceof Date) return new Date(kept);
    return kept instanceof Uint8Array ? kept.slice() : kept;
  }

  #resolve(ref: Ref): unknown {
    ref.node ??= this.object.host?.find(ref.key);
    return ref.node?.deleted ? undefined : ref.node?.proxy;
  }

  #undoOf(key: string): () => void {
    const { state } = this;
    if (!Object.hasOwn(state, key)) return () => delete state[key];
    const old = state[key] as Kept;
    return () => this.put(key, old);
  }

  /** Sets a property of the state; one called `__proto__` too. */
  put(key: string, value: Kept): void {
    if (value instanceof Counter)
      placeCounter(value, { add: (counter, by) => this.#count(key, counter, by) });
    if (value instanceof Text) textAccess().place(value, new PlaceOfText(this, key));
    if (key !== '__proto__') this.state[key] = value;
    else
      Object.defineProperty(this.state, key, { value, writable: true, enumerable: true, configurable: true });
  }

  /** Tells whether a value is what this map, which is part of its object, has at a key. */
  holds(key: string, value: object): boolean {
    return this.state[key] === value && (!this.#parent || this.#parent.holds(this.#key, this.proxy));
  }

  /** Adds to the counter at a key. */
  #count(key: string, counter: Counter, by: number): void {
    this.object.ensureLoaded();
    const { object } = this;
    const path = [...this.path(), key];
    if (this.state[key] !== counter)
      throw new EchospaceError(
        'NOT_FOUND',
        `${path.join('.')}: this counter is no longer part of its object`,
      );
    const w = object.host?.beginEdit();
    if (w) {
      writeOp(w, op.add, object.key, path);
      w.number(by);
    }
    setCounter(counter, counter.value + by);
    object.host?.endEdit(object, () => setCounter(counter, counter.value - by));
  }

  /**
   * Turns a caller's value into what is kept of it, without a change to
   * anything. `above` holds the objects that the value is inside of.
   */
  keep(path: string[], key: string, value: unknown, above: object[]): Kept {
    checkDepth(path);
    const target = objectNodeOf(value);
    if (target) return new Ref(target.key, target);
    if (value instanceof Counter) return isPlaced(value) ? new Counter(value.value) : value;
    if (value instanceof Text) return textAccess().isPlaced(value) ? new Text(value.toString()) : value;
    if (!isPlainObject(value)) return scalarOf(path, value);
    if (above.includes(value)) throw unsupported(path, 'the object contains itself');
    const map = new MapNode(this.object, this, key);
    map.fill(path, value, [...above, value]);
    return map.proxy;
  }

  /** Copies the properties of a plain object into this map, which nobody has seen yet. */
  fill(path: string[], from: Record<string, unknown>, above: object[]): void {
    for (const key of keysOf(path, from)) this.put(key, this.keep([...path, key], key, from[key], above));
  }

  /** Makes this map what the core has read, keeping nested maps that are still there. */
  merge(r: Reader, size: number): void {
    const gone = new Set(Object.keys(this.state));
    const bound: [Text, number][] = [];
    let key = '';
    const visitor = {
      reference: (id: Uint8Array): Kept => new Ref(keyAt(id)),
      counter: (value: number): Kept => {
        const old = this.state[key];
        const counter = old instanceof Counter ? old : new Counter();
        setCounter(counter, value);
        return counter;
      },
      text: (row: number): Kept => {
        const old = this.state[key];
        if (old instanceof Text) {
          bound.push([old, row]);
          return old;
        }
        const text = new Text();
        textAccess().settle(text);
        bound.push([text, row]);
        return text;
      },
      map: (reader: Reader, entries: number): Kept => {
        const old = this.state[key];
        const nested =
          (typeof old === 'object' && old && nodes.get(old)) || new MapNode(this.object, this, key);
        nested.merge(reader, entries);
        return nested.proxy;
      },
    };
    for (let i = 0; i < size; i++) {
      key = r.str();
      gone.delete(key);
      this.put(key, readValue<Kept>(r, visitor));
    }
    for (const name of gone) delete this.state[name];
    for (const [text, row] of bound) textAccess().bind(text, row);
  }

  /** Writes this map as a value. */
  write(w: Writer): void {
    const keys = sortKeys(Object.keys(this.state));
    w.array(1 + 2 * keys.length);
    w.uint(tag.map);
    for (const key of keys) {
      w.str(key);
      writeKept(w, this.state[key] as Kept);
    }
  }
}

/** Where a text is: at a key of a map. */
export class PlaceOfText implements TextPlace {
  readonly map: MapNode;
  readonly key: string;

  constructor(map: MapNode, key: string) {
    this.map = map;
    this.key = key;
  }

  get host(): Host | undefined {
    return this.map.object.host;
  }

  path(): string[] {
    return [...this.map.path(), this.key];
  }

  check(text: Text): void {
    this.map.object.ensureLoaded();
    if (this.map.holds(this.key, text)) return;
    throw new EchospaceError('NOT_FOUND', `${this.key}: this text is no longer part of its object`);
  }
}

/** An object: the map that is named by an id. */
export class ObjectNode extends MapNode {
  readonly key: IdKey;
  /** The database it is in; undefined for an Expando that was not added yet. */
  host: Host | undefined;
  /** False while its content is only in the core. */
  loaded: boolean;
  deleted = false;
  /** Where the database keeps it among the objects to read; undefined if it does not. */
  place: number | undefined;
  #id: string | undefined;

  private constructor(key: IdKey, host: Host | undefined, loaded: boolean) {
    super(undefined, undefined, '');
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

  get id(): string {
    this.#id ??= keyToHex(this.key);
    return this.#id;
  }

  ensureLoaded(): void {
    if (!this.loaded) this.host?.load(this);
  }

  /** Takes over the content of a record: its flags were read, its map is next. */
  loadFrom(r: Reader): void {
    readValue(r, {
      reference: () => undefined,
      map: (reader, size) => this.merge(reader, size),
    });
    this.loaded = true;
  }

  /** Writes the op that makes this object. */
  writeCreate(w: Writer): void {
    w.array(3);
    w.uint(op.create);
    w.bin(keyBytes(this.key));
    this.write(w);
  }

  /** Lets the host take in what this object refers to. */
  adoptReferences(host: Host): void {
    adoptReferences(host, [], this.proxy);
  }
}

function adoptReferences(host: Host, path: string[], kept: Kept): void {
  if (kept instanceof Ref) {
    if (!kept.node || kept.node.host === host) return;
    if (kept.node.host) throw unsupported(path, 'the object belongs to another space');
    host.adopt(kept.node);
    return;
  }
  if (kept instanceof Text) {
    host.addText(kept);
    return;
  }
  const map = typeof kept === 'object' && kept !== null ? nodes.get(kept) : undefined;
  for (const [key, value] of Object.entries(map?.state ?? {})) adoptReferences(host, [...path, key], value);
}

/** How many elements an op has, its code among them. */
const arity: Record<number, number> = { [op.set]: 4, [op.add]: 4, [op.unset]: 3, [op.edit]: 6 };

/** Writes the beginning of an op about a property. */
export function writeOp(w: Writer, code: number, key: IdKey, path: readonly string[]): void {
  w.array(arity[code] as number);
  w.uint(code);
  w.bin(keyBytes(key));
  w.array(path.length);
  for (const part of path) w.str(part);
}

function writeKept(w: Writer, kept: Kept): void {
  if (kept instanceof Ref) {
    writeReference(w, kept.key);
    return;
  }
  if (kept instanceof Counter) {
    w.array(2);
    w.uint(tag.counter);
    w.number(kept.value);
    return;
  }
  if (kept instanceof Text) {
    w.array(2);
    w.uint(tag.text);
    w.str(textAccess().ahead(kept));
    return;
  }
  const map = typeof kept === 'object' && kept !== null ? nodes.get(kept) : undefined;
  if (map) map.write(w);
  else writeScalar(w, kept as Scalar);
}

/** Writes a reference as a value. */
export function writeReference(w: Writer, key: IdKey): void {
  w.array(2);
  w.uint(tag.reference);
  w.bin(keyBytes(key));
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
