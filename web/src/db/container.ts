import { EchospaceError } from '../errors.js';
import type { Reader, Writer } from '../wire.js';
import { Counter, isPlaced, placeCounter, setCounter } from './counter.js';
import { type IdKey, keyAt, writeKey } from './ids.js';
import type { ObjectNode } from './live.js';
import { Text, type TextHost, textAccess } from './text.js';
import {
  checkDepth,
  isPlainObject,
  type Path,
  type Scalar,
  scalarOf,
  sortKeys,
  tag,
  unsupported,
  type ValueVisitor,
  writeScalar,
} from './values.js';

/** What the object of a Proxy may hold: scalars, references, counters, texts, and the Proxies of nested maps and lists. */
export type Kept = Scalar | Ref | Counter | Text | object;

/** What a database does for its objects. */
export interface Host extends TextHost {
  /** Fills an object whose content has not been read yet. */
  load(object: ObjectNode): void;
  /** Finds an object by id; undefined until it has arrived, or when it was removed. */
  find(key: IdKey): ObjectNode | undefined;
  /** Makes sure that an edit is allowed now, and gives what its op is written to. */
  beginEdit(): Writer;
  /** Runs an edit of an object that has a type: all of it or, if the type refuses what comes out, nothing. */
  edit<R>(object: ObjectNode, path: Path, f: () => R): R;
  /** Ends an edit that is done and written: `undo` takes it back if the core refuses it. */
  endEdit(object: ObjectNode, undo: () => void): void;
  /** Takes in an object that is in no database, with all that it refers to. */
  adopt(object: ObjectNode): void;
  /** Notes a text whose content the core does not know yet. */
  addText(text: Text): void;
  /** Notes items that an edit makes, in the order in which the core will number them. */
  addItems(items: Item[]): void;
}

/** Ops of the core (`core/objectdb`). */
export const op = {
  create: 1,
  set: 2,
  unset: 3,
  remove: 4,
  restore: 5,
  add: 6,
  edit: 7,
  splice: 8,
  move: 9,
  format: 10,
  message: 11,
} as const;

/** How many elements an op about a property has, its code among them. */
const arity: Record<number, number> = {
  [op.set]: 4,
  [op.add]: 4,
  [op.unset]: 3,
  [op.edit]: 6,
  [op.splice]: 6,
  [op.move]: 5,
  [op.format]: 7,
};

/** Writes the beginning of an op about a property. */
export function writeOp(w: Writer, code: number, key: IdKey, path: Path): void {
  w.array(arity[code] as number);
  w.uint(code);
  writeKey(w, key);
  writePath(w, path);
}

/** Writes where in an object something is. */
export function writePath(w: Writer, path: Path): void {
  w.array(path.length);
  for (const step of path) {
    if (typeof step === 'number') w.uint(step);
    else w.str(step);
  }
}

/** A reference to another object, resolved when it is read. */
export class Ref {
  readonly key: IdKey;
  node: ObjectNode | undefined;

  constructor(key: IdKey, node?: ObjectNode) {
    this.key = key;
    this.node = node;
  }
}

/** An item of a list: its number in the core tells it from others wherever it is moved. */
export interface Item {
  /** Undefined until the core has made it. */
  number: number | undefined;
}

/**
 * By this key a Proxy of ours tells what is behind it, and nobody else has the key. A
 * WeakMap costs each object as much again, and makes the browser's collector slow.
 */
export const behind = Symbol();

/** Finds the map or list behind its Proxy. */
export function containerOf(value: unknown): Container | undefined {
  if (typeof value !== 'object' || value === null) return undefined; // to ask a string is slow
  return (value as { [behind]?: Container })[behind];
}

/** What makes nested maps and lists; filled by the module that knows both. */
export const make = {} as {
  map(parent: Container, key: string): Container;
  list(parent: Container, key: string): Container;
};

/** A map or a list: an object, or nested in one. */
export abstract class Container {
  readonly #parent: Container | undefined;
  readonly #key: string;
  /** What callers hold. */
  abstract readonly proxy: object;

  /** `key` is that in the parent if it is a map; in a list a child is found by looking. */
  constructor(parent: Container | undefined, key: string) {
    this.#parent = parent;
    this.#key = key;
  }

  get isNested(): boolean {
    return this.#parent !== undefined;
  }

  /** The object that this is, or is part of. */
  get object(): ObjectNode {
    return this.#parent ? this.#parent.object : (this as unknown as ObjectNode);
  }

  /** The key of a child, or its place; undefined if it is no longer here. */
  abstract locate(child: object, key: string): string | number | undefined;

  /** Puts all kept values, in the order in which the core would number items. */
  abstract children(): Iterable<Kept>;

  /** A copy without a tie to the database: of what is in this, not of the objects that it refers to. */
  abstract plain(): unknown;

  /** The same of one value. */
  protected plainOf(kept: Kept): unknown {
    return containerOf(kept)?.plain() ?? this.visible(kept);
  }

  /** Makes this what the core has read, keeping what is still there. */
  abstract merge(r: Reader, size: number): void;

  /** Writes this as a value. */
  abstract write(w: Writer): void;

  /** Copies a caller's value into this, which nobody has seen yet. */
  abstract fill(path: Path, from: object, above: readonly object[]): void;

  /** The property of the object that a child is, or is inside of. */
  property(key: string): string {
    return this.#parent ? this.#parent.property(this.#key) : key;
  }

  /** Where in the object this is. Throws if it no longer is. */
  path(): (string | number)[] {
    if (!this.#parent) return [];
    return this.#parent.pathOf(this.proxy, this.#key, 'map or list');
  }

  /** Where in the object a child is. Throws if it no longer is. */
  pathOf(child: object, key: string, what: string): (string | number)[] {
    const path = this.path();
    const at = this.locate(child, key);
    if (at === undefined) {
      throw new EchospaceError(
        'NOT_FOUND',
        `${[...path, key].join('.')}: this ${what} is no longer part of its object`,
      );
    }
    path.push(at);
    return path;
  }

  /** Tells whether a child is still here, and this still part of its object. */
  holds(child: object, key: string): boolean {
    if (this.locate(child, key) === undefined) return false;
    return !this.#parent || this.#parent.holds(this.proxy, this.#key);
  }

  /** What callers see of a kept value: never something whose change would bypass the database. */
  protected visible(kept: unknown): unknown {
    if (typeof kept !== 'object' || kept === null) return kept;
    if (kept instanceof Ref) return this.#resolve(kept);
    if (kept instanceof Date) return new Date(kept);
    return kept instanceof Uint8Array ? kept.slice() : kept;
  }

  #resolve(ref: Ref): unknown {
    ref.node ??= this.object.host?.find(ref.key);
    return ref.node?.deleted ? undefined : ref.node?.proxy;
  }

  /** Tells a counter or text where it is. */
  protected place(value: Kept, key: string): Kept {
    if (typeof value !== 'object') return value;
    if (value instanceof Counter)
      placeCounter(value, { add: (counter, by) => this.#count(key, counter, by) });
    if (value instanceof Text) textAccess().place(value, new PlaceOfText(this, key));
    return value;
  }

  /** Adds to a counter. */
  #count(key: string, counter: Counter, by: number): void {
    this.object.ensureLoaded();
    const { object } = this;
    const path = this.pathOf(counter, key, 'counter');
    object.edit([...path, 0], () => {
      const w = object.host?.beginEdit();
      if (w) {
        writeOp(w, op.add, object.key, path);
        w.number(by);
      }
      setCounter(counter, counter.value + by);
      object.endEdit(() => setCounter(counter, counter.value - by));
    });
  }

  /**
   * Turns a caller's value into what is kept of it, without a change to
   * anything. `above` holds the objects that the value is inside of.
   */
  protected keep(path: Path, key: string, value: unknown, above: readonly object[]): Kept {
    checkDepth(path);
    const target = containerOf(value);
    if (target && !target.isNested) return new Ref(target.object.key, target.object);
    if (value instanceof Counter) return isPlaced(value) ? new Counter(value.value) : value;
    if (value instanceof Text) return textAccess().isPlaced(value) ? textAccess().copy(value) : value;
    const isList = Array.isArray(value);
    if (!isList && !isPlainObject(value)) return scalarOf(path, value);
    if (above.includes(value)) throw unsupported(path, 'the object contains itself');
    const nested = isList ? make.list(this, key) : make.map(this, key);
    nested.fill(path, value, [...above, value]);
    return nested.proxy;
  }

  /** Lets the host take in what a kept value refers to, and note what it makes. */
  protected admit(host: Host, path: Path, kept: Kept): void {
    if (typeof kept !== 'object' || kept === null) return;
    adoptReferences(host, path, kept);
    const items: Item[] = [];
    collectItems(kept, items);
    if (items.length > 0) host.addItems(items);
  }
}

/** The items of the lists in a value, in the order in which the core numbers them. */
export function collectItems(kept: Kept, to: Item[]): void {
  const container = containerOf(kept);
  if (!container) return;
  if ('items' in container) to.push(...(container.items as Item[]));
  for (const child of container.children()) collectItems(child, to);
}

export function adoptReferences(host: Host, path: Path, kept: Kept): void {
  if (typeof kept !== 'object') return;
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
  for (const child of containerOf(kept)?.children() ?? []) adoptReferences(host, path, child);
}

/** Where a text is. */
export class PlaceOfText {
  readonly container: Container;
  readonly key: string;

  constructor(container: Container, key: string) {
    this.container = container;
    this.key = key;
  }

  /** The database that the text is in; undefined while only a default or a migration shows it. */
  get host(): Host | undefined {
    return this.#shownAlone() ? undefined : this.container.object.host;
  }

  /** Stores the text before it is edited, if a default or a migration shows it. */
  store(text: Text): void {
    if (this.#shownAlone()) this.container.object.edit([...this.path(text), 0], () => undefined);
  }

  /** The same, after it was stored. */
  stored(text: Text): Host | undefined {
    this.store(text);
    return this.host;
  }

  #shownAlone(): boolean {
    const { view } = this.container.object;
    return view?.hides(this.container.property(this.key)) ?? false;
  }

  path(text: Text): (string | number)[] {
    return this.container.pathOf(text, this.key, 'text');
  }

  check(text: Text): void {
    this.container.object.ensureLoaded();
    if (!this.container.holds(text, this.key)) this.path(text);
  }
}

/** Reads values of a record, keeping the maps, lists, counters and texts that were at their places. */
export class Merge implements ValueVisitor<Kept> {
  readonly #parent: Container;
  readonly #bound: [Text, number][] = [];
  key = '';
  old: Kept | undefined;

  constructor(parent: Container) {
    this.#parent = parent;
  }

  reference(id: Uint8Array): Kept {
    return new Ref(keyAt(id));
  }

  counter(value: number): Kept {
    const counter = this.old instanceof Counter ? this.old : new Counter();
    setCounter(counter, value);
    return counter;
  }

  text(row: number): Kept {
    const text = this.old instanceof Text ? this.old : new Text();
    if (text !== this.old) textAccess().settle(text);
    this.#bound.push([text, row]);
    return text;
  }

  map(r: Reader, size: number): Kept {
    return this.#nested(r, size, false);
  }

  list(r: Reader, size: number): Kept {
    return this.#nested(r, size, true);
  }

  #nested(r: Reader, size: number, isList: boolean): Kept {
    const known = containerOf(this.old);
    const kept = known?.isNested && 'items' in known === isList ? known : undefined;
    const nested = kept ?? (isList ? make.list(this.#parent, this.key) : make.map(this.#parent, this.key));
    nested.merge(r, size);
    return nested.proxy;
  }

  /** Has the texts show what was read, once they are in their places. */
  end(): void {
    for (const [text, row] of this.#bound) textAccess().bind(text, row);
  }
}

export function writeKept(w: Writer, kept: Kept): void {
  if (typeof kept !== 'object' || kept === null) {
    writeScalar(w, kept);
    return;
  }
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
  const nested = containerOf(kept);
  if (nested) nested.write(w);
  else writeScalar(w, kept as Scalar);
}

/** The names of the map that was written last, and the same in order: most maps are like the one before. */
let lastNames: string[] = [];
let lastSorted: string[] = [];

function sortedNames(state: Record<string, Kept>): string[] {
  const names = Object.keys(state);
  let same = names.length === lastNames.length;
  for (let i = 0; same && i < names.length; i++) same = names[i] === lastNames[i];
  if (!same) {
    lastNames = names;
    lastSorted = sortKeys([...names]);
  }
  return lastSorted;
}

/** Writes a map as a value. */
export function writeMap(w: Writer, state: Record<string, Kept>): void {
  const keys = sortedNames(state);
  w.array(1 + 2 * keys.length);
  w.uint(tag.map);
  for (const key of keys) {
    w.str(key);
    writeKept(w, state[key] as Kept);
  }
}

/** Writes a reference as a value. */
export function writeReference(w: Writer, key: IdKey): void {
  w.array(2);
  w.uint(tag.reference);
  writeKey(w, key);
}
