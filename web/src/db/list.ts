import { EchospaceError } from '../errors.js';
import type { Reader, Writer } from '../wire.js';
import {
  adoptReferences,
  behind,
  Container,
  collectItems,
  containerOf,
  type Host,
  type Item,
  type Kept,
  Merge,
  op,
  writeKept,
  writeOp,
} from './container.js';
import { type Path, readValue, tag, unsupported } from './values.js';

/** Above so many arguments a call may fail. */
const manyArguments = 10_000;

/** Replaces items of an array, however many. */
function replace<V>(array: V[], at: number, removed: number, inserted: readonly V[]): V[] {
  if (inserted.length <= manyArguments) return array.splice(at, removed, ...inserted);
  const rest = array.splice(at);
  for (const value of inserted) array.push(value);
  for (const value of rest.slice(removed)) array.push(value);
  return rest.slice(0, removed);
}

/** A list, and the handler of its Proxy, whose target is a real array. */
export class ListNode extends Container implements ProxyHandler<Kept[]> {
  readonly state: Kept[] = [];
  /** One per element of the state. */
  readonly items: Item[] = [];
  readonly proxy: object;

  constructor(parent: Container, key: string) {
    super(parent, key);
    this.proxy = new Proxy(this.state, this);
  }

  locate(child: object): number | undefined {
    const at = this.state.indexOf(child);
    return at < 0 ? undefined : at;
  }

  children(): Iterable<Kept> {
    return this.state;
  }

  plain(): unknown[] {
    return this.state.map((kept) => this.plainOf(kept));
  }

  // The traps of the Proxy.

  get(state: Kept[], key: string | symbol, receiver: unknown): unknown {
    if (key === behind) return receiver === this.proxy ? this : undefined;
    this.object.ensureLoaded();
    if (typeof key === 'string') {
      if (Object.hasOwn(methods, key)) return methods[key as keyof typeof methods];
      if (key !== 'length' && Object.hasOwn(state, key)) return this.visible(state[Number(key)]);
    }
    return Reflect.get(state, key, receiver);
  }

  has(state: Kept[], key: string | symbol): boolean {
    this.object.ensureLoaded();
    return Reflect.has(state, key);
  }

  ownKeys(state: Kept[]): (string | symbol)[] {
    this.object.ensureLoaded();
    return Reflect.ownKeys(state);
  }

  getOwnPropertyDescriptor(state: Kept[], key: string | symbol): PropertyDescriptor | undefined {
    this.object.ensureLoaded();
    const descriptor = Reflect.getOwnPropertyDescriptor(state, key);
    if (descriptor && key !== 'length') descriptor.value = this.visible(descriptor.value);
    return descriptor;
  }

  set(state: Kept[], key: string | symbol, value: unknown, receiver: unknown): boolean {
    if (receiver !== this.proxy) return Reflect.set(state, key, value, receiver);
    this.#assign(key, value);
    return true;
  }

  defineProperty(_state: Kept[], key: string | symbol, descriptor: PropertyDescriptor): boolean {
    const { get, set, enumerable = true, configurable = true, writable = true } = descriptor;
    if (get || set || !enumerable || !configurable || !writable)
      throw unsupported([...this.path(), String(key)], 'only plain items can be stored');
    this.#assign(key, descriptor.value);
    return true;
  }

  deleteProperty(_state: Kept[], key: string | symbol): boolean {
    throw unsupported([...this.path(), String(key)], 'a list has no holes; use splice');
  }

  setPrototypeOf(state: Kept[], prototype: object | null): boolean {
    return prototype === Object.getPrototypeOf(state);
  }

  preventExtensions(): boolean {
    return false;
  }

  #assign(key: string | symbol, value: unknown): void {
    this.object.ensureLoaded();
    const { length } = this.state;
    if (key === 'length') {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > length)
        throw unsupported(this.path(), `its length cannot become ${String(value)}: a list has no holes`);
      this.splice(value, length - value, []);
      return;
    }
    const at = typeof key === 'string' && /^(0|[1-9]\d*)$/.test(key) ? Number(key) : -1;
    if (at < 0 || at > length)
      throw unsupported(
        [...this.path(), String(key)],
        `is no place in a list of ${length}; a list has no holes`,
      );
    if (at === length) this.splice(length, 0, [value]);
    else this.#setItem(at, value);
  }

  #setItem(at: number, value: unknown): void {
    const path = [...this.path(), at];
    this.object.edit(path, () => this.#replaceItem(path, at, value));
  }

  #replaceItem(path: Path, at: number, value: unknown): void {
    const { object, state } = this;
    const { host } = object;
    host?.beginEdit();
    const kept = this.keep(path, '', value, []);
    if (host) this.admit(host, path, kept);
    const w = host?.beginEdit();
    if (w) {
      writeOp(w, op.set, object.key, path);
      writeKept(w, kept);
    }
    const old = state[at] as Kept;
    state[at] = this.place(kept, '');
    object.endEdit(() => {
      state[at] = old;
    });
  }

  /** Replaces items; gives what callers see of those that were removed. */
  splice(at: number, removed: number, values: readonly unknown[]): unknown[] {
    if (removed === 0 && values.length === 0) return [];
    const path = this.path();
    return this.object.edit([...path, at], () => this.#replaceItems(path, at, removed, values));
  }

  #replaceItems(path: Path, at: number, removed: number, values: readonly unknown[]): unknown[] {
    const { object, state, items } = this;
    const { host } = object;
    host?.beginEdit();
    const kept = values.map((value, k) => this.keep([...path, at + k], '', value, []));
    const made = kept.map((): Item => ({ number: undefined }));
    if (host) admitAll(host, path, kept, [...made]);
    const w = host?.beginEdit();
    if (w) {
      writeOp(w, op.splice, object.key, path);
      w.uint(at);
      w.uint(removed);
      w.array(kept.length);
      for (const value of kept) writeKept(w, value);
    }
    for (const value of kept) this.place(value, '');
    const goneItems = replace(items, at, removed, made);
    const gone = replace(state, at, removed, kept);
    object.endEdit(() => {
      replace(state, at, kept.length, gone);
      replace(items, at, kept.length, goneItems);
    });
    return gone.map((value) => this.visible(value));
  }

  /** Moves an item so that it stands at another place; it stays the same item to everybody. */
  move(from: number, to: number): void {
    this.object.ensureLoaded();
    const { object, state, items } = this;
    const { length } = state;
    for (const at of [from, to]) {
      if (!Number.isInteger(at) || at < 0 || at >= length)
        throw new EchospaceError('INVALID_ARGUMENT', `move: ${at} is no place in a list of ${length}`);
    }
    if (from === to) return;
    const path = this.path();
    const shift = (a: number, b: number) => {
      state.splice(b, 0, ...state.splice(a, 1));
      items.splice(b, 0, ...items.splice(a, 1));
    };
    object.edit([...path, from], () => {
      const w = object.host?.beginEdit();
      if (w) {
        writeOp(w, op.move, object.key, path);
        w.uint(from);
        w.uint(to);
      }
      shift(from, to);
      object.endEdit(() => shift(to, from));
    });
  }

  /** Brings the items into an order, by as few moves as it takes. */
  arrange(order: readonly Item[]): void {
    this.object.edit([...this.path(), 0], () => this.#arrange(order));
  }

  #arrange(order: readonly Item[]): void {
    const place = new Map(this.items.map((item, at) => [item, at]));
    const stay = new Set(
      longestAscending(order.map((item) => place.get(item) as number)).map((k) => order[k]),
    );
    for (const [k, item] of order.entries()) {
      if (stay.has(item)) continue;
      const from = this.items.indexOf(item);
      const before = k > 0 ? this.items.indexOf(order[k - 1] as Item) : -1;
      this.move(from, before < from ? before + 1 : before);
    }
  }

  fill(path: Path, from: object, above: readonly object[]): void {
    const values = from as unknown[];
    if (Object.keys(values).length !== values.length)
      throw unsupported(path, 'the array has holes, or properties besides its items');
    for (const [at, value] of values.entries()) {
      this.state.push(this.place(this.keep([...path, at], '', value, above), ''));
      this.items.push({ number: undefined });
    }
  }

  /** Reads `[number, value]` pairs. Items that are still there keep what callers hold of them. */
  merge(r: Reader, size: number): void {
    const known = new Map<number, { item: Item; value: Kept }>();
    for (const [at, item] of this.items.entries()) {
      if (item.number !== undefined) known.set(item.number, { item, value: this.state[at] as Kept });
    }
    const visitor = new Merge(this);
    const state: Kept[] = [];
    const items: Item[] = [];
    for (let i = 0; i < size; i += 2) {
      const number = r.int();
      const old = known.get(number);
      visitor.old = old?.value;
      state.push(this.place(readValue<Kept>(r, visitor), ''));
      items.push(old?.item ?? { number });
    }
    replace(this.state, 0, this.state.length, state);
    replace(this.items, 0, this.items.length, items);
    visitor.end();
  }

  write(w: Writer): void {
    w.array(1 + this.state.length);
    w.uint(tag.list);
    for (const value of this.state) writeKept(w, value);
  }
}

/** What values refer to is made before them, and the items of a list before those of lists in them. */
function admitAll(host: Host, path: Path, kept: readonly Kept[], made: Item[]): void {
  for (const value of kept) adoptReferences(host, path, value);
  for (const value of kept) collectItems(value, made);
  host.addItems(made);
}

function listOf(value: unknown): ListNode {
  const list = containerOf(value);
  if (!(list instanceof ListNode))
    throw new EchospaceError('INVALID_ARGUMENT', 'this is not a list of a live object');
  list.object.ensureLoaded();
  return list;
}

/** A place as the methods of arrays take it: from the end if it is negative, and never outside. */
function relative(value: number | undefined, length: number, absent: number): number {
  if (value === undefined) return absent;
  const at = Math.trunc(Number(value)) || 0;
  return at < 0 ? Math.max(0, length + at) : Math.min(at, length);
}

/** The methods of arrays that change one, as edits of the list. */
const methods = {
  push(this: unknown, ...values: unknown[]): number {
    const list = listOf(this);
    list.splice(list.state.length, 0, values);
    return list.state.length;
  },
  pop(this: unknown): unknown {
    const list = listOf(this);
    return list.state.length > 0 ? list.splice(list.state.length - 1, 1, [])[0] : undefined;
  },
  shift(this: unknown): unknown {
    const list = listOf(this);
    return list.state.length > 0 ? list.splice(0, 1, [])[0] : undefined;
  },
  unshift(this: unknown, ...values: unknown[]): number {
    const list = listOf(this);
    list.splice(0, 0, values);
    return list.state.length;
  },
  splice(this: unknown, ...args: [start?: number, removed?: number, ...values: unknown[]]): unknown[] {
    const list = listOf(this);
    const { length } = list.state;
    const [start, removed, ...values] = args;
    const at = relative(start, length, 0);
    const rest = length - at;
    const count = args.length === 0 ? 0 : args.length === 1 ? rest : Math.trunc(Number(removed)) || 0;
    return list.splice(at, Math.min(Math.max(0, count), rest), values);
  },
  sort(this: unknown, compare?: (a: unknown, b: unknown) => number): unknown {
    const list = listOf(this);
    const seen = [...(list.proxy as unknown[])].map((value, at) => ({ value, item: list.items[at] as Item }));
    const byText = (a: unknown, b: unknown) => (String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0);
    seen.sort((a, b) => (compare ?? byText)(a.value, b.value));
    list.arrange(seen.map(({ item }) => item));
    return this;
  },
  reverse(this: unknown): unknown {
    const list = listOf(this);
    list.arrange([...list.items].reverse());
    return this;
  },
  fill(this: unknown, value: unknown, start?: number, end?: number): unknown {
    const { length } = listOf(this).state;
    const last = relative(end, length, length);
    for (let at = relative(start, length, 0); at < last; at++) (this as unknown[])[at] = value;
    return this;
  },
  copyWithin(this: unknown): never {
    throw unsupported(listOf(this).path(), 'copyWithin would make items twice; use splice');
  },
};

/**
 * Moves an item of a list of a live object so that it stands at another place.
 * Unlike a removal and an insertion it stays the same item: what others do to it
 * meanwhile is not lost, and if two move it at once it is there once.
 *
 * @throws INVALID_ARGUMENT for places that are not in the list, and for an array
 *   that is no list of a live object; NOT_FOUND if the list is no longer part of
 *   its object; SPACE_CLOSED; NOT_PERMITTED.
 */
export function moveItem(list: readonly unknown[], from: number, to: number): void {
  listOf(list).move(from, to);
}

/** Gives the places of a longest ascending part of different numbers (patience sorting). */
function longestAscending(numbers: readonly number[]): number[] {
  const ends: number[] = [];
  const before: number[] = [];
  for (const [k, n] of numbers.entries()) {
    let low = 0;
    for (let high = ends.length; low < high; ) {
      const middle = (low + high) >> 1;
      if ((numbers[ends[middle] as number] as number) < n) low = middle + 1;
      else high = middle;
    }
    before.push(low > 0 ? (ends[low - 1] as number) : -1);
    ends[low] = k;
  }
  const out: number[] = [];
  for (let k = ends.at(-1) ?? -1; k >= 0; k = before[k] as number) out.push(k);
  return out.reverse();
}
