import { EchospaceError } from '../errors.js';
import { PublicKey, toHex } from '../keys.js';
import { Reader, Writer } from '../wire.js';
import type { Core, DatabaseSpace } from './core.js';
import { reserved } from './definition.js';
import { wholeNumber } from './filter.js';
import { idSize, keyBytes, keyFromHex, keysIn, keyToHex } from './ids.js';
import { objectNodeOf } from './live.js';
import { readMarks } from './marks.js';
import { PastCore, ReadonlyDatabase } from './readonly.js';
import { type Text, textAccess } from './text.js';
import type { TextOp } from './textdelta.js';
import { readValue } from './values.js';
import { Version } from './version.js';

/** Who wrote something, and when. */
export interface Authorship {
  /** The person; undefined if nothing is known of whose device it was. */
  readonly identityKey: PublicKey | undefined;
  readonly displayName?: string;
  readonly deviceKey: PublicKey;
  /** By the clock of the author's device. */
  readonly time: Date;
}

/** One transaction of the past. */
export interface Change extends Authorship {
  /** Names the change for good, on all devices. */
  readonly id: string;
  /** What `transact` was told. */
  readonly message?: string;
  /** The state that its author had right after it, and what was stored together with it. */
  readonly version: Version;
  readonly objects: readonly TouchedObject[];
}

/** What a change did to one object. */
export interface TouchedObject {
  readonly id: string;
  readonly kind: 'edit' | 'create' | 'delete' | 'restore';
  /**
   * The properties that it wrote, as names from the object on. What is inside of a
   * list, or of a nested object that the change made, is told as that.
   */
  readonly paths: readonly (readonly string[])[];
}

/** Which changes {@link Database.history} gives. */
export interface HistoryOptions {
  /** How many at most, up to 10,000; 100 by default. */
  limit?: number;
  /** A change, or the id of one, before which to begin: the last of the page before. */
  before?: Change | string;
}

/** How a version differs from another, by the ids of the objects. */
export interface Difference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly ChangedObject[];
}

/** How an object differs that is in both versions. */
export interface ChangedObject {
  readonly id: string;
  readonly changes: readonly PropertyChange[];
}

/**
 * How one property differs. Values are plain: nested objects and lists as they would
 * be in JSON, texts as strings, counters as numbers, references as ids. A list is told
 * too if only a text in it is formatted in another way: then before and after are equal.
 */
export interface PropertyChange {
  /** The names from the object on; a list is told as a whole. */
  readonly path: readonly string[];
  /** Undefined if the property was not there, and where there is a delta. */
  readonly before?: unknown;
  /** Undefined if the property is not there, and where there is a delta. */
  readonly after?: unknown;
  /** How a text became another, and is formatted in another way, as in `TextEvent`. */
  readonly delta?: readonly TextOp[];
}

/** What {@link Database.restore} restores. */
export interface RestoreOptions {
  /** These objects only, given as such or by their ids; all by default. */
  objects?: readonly (object | string)[];
  /** What the history says of it. */
  message?: string;
}

/** A part of a text that was written together. */
export interface BlameRun extends Authorship {
  /** Where it begins and ends, in UTF-16 code units. */
  readonly from: number;
  readonly to: number;
  /** The state right after it was written; undefined while it is not stored. */
  readonly version?: Version;
}

const kinds = ['edit', 'create', 'delete', 'restore'] as const;

/** The past of one database: questions to the core, which reads storage. */
export class Timeline {
  readonly #space: DatabaseSpace;
  readonly #core: Core;

  constructor(space: DatabaseSpace, core: Core) {
    this.#space = space;
    this.#core = core;
  }

  /** Asks the core, which is to know all edits made so far. */
  async #ask<T>(f: () => Promise<T>): Promise<T> {
    this.#core.commit();
    return this.#space.runtime.guard(this.#space.runtime.call(f));
  }

  async version(): Promise<Version> {
    return Version.ofBytes(await this.#ask(() => this.#space.raw.version()));
  }

  async history(object: object | string | undefined, options: HistoryOptions): Promise<Change[]> {
    const { limit = 100, before } = options;
    const w = new Writer();
    w.array(4);
    if (object === undefined) w.nil();
    else w.bin(idOfTarget('history', object));
    w.uint(wholeNumber('limit', limit, 1));
    const [block, index] = placeOf(before);
    if (block) w.bin(block);
    else w.nil();
    w.uint(index);
    const r = new Reader(await this.#ask(() => this.#space.raw.history(w.bytes)));
    return Array.from({ length: r.array() }, () => readChange(r));
  }

  async at(version: Version | string): Promise<ReadonlyDatabase> {
    const { runtime, raw } = this.#space;
    const named = Version.from(version);
    const handle = await this.#ask(() => raw.at(Version.bytesOf(named)));
    return new ReadonlyDatabase(new PastCore(runtime, raw, handle), named);
  }

  async diff(a: Version | string, b: Version | string): Promise<Difference> {
    const [from, to] = [Version.bytesOf(a), Version.bytesOf(b)];
    const r = new Reader(await this.#ask(() => this.#space.raw.diff(from, to)));
    r.array();
    const added = keysIn(r.bin()).map(keyToHex);
    const removed = keysIn(r.bin()).map(keyToHex);
    return { added, removed, changed: Array.from({ length: r.array() }, () => readChangedObject(r)) };
  }

  async restore(version: Version, { objects, message = '' }: RestoreOptions): Promise<void> {
    const w = new Writer();
    w.array(3);
    w.bin(Version.bytesOf(version));
    w.str(message.toWellFormed?.() ?? message);
    if (objects) {
      const ids = new Uint8Array(objects.length * idSize);
      for (const [i, object] of objects.entries()) ids.set(idOfTarget('restore', object), i * idSize);
      w.bin(ids);
    } else {
      w.nil();
    }
    await this.#ask(() => this.#space.raw.restoreTo(w.bytes));
    await this.#core.caughtUp();
  }

  async blame(text: Text): Promise<BlameRun[]> {
    const place = textAccess().locate(text);
    if (place?.host !== this.#core)
      throw new EchospaceError('INVALID_ARGUMENT', 'blame: this is not a text of this space');
    const r = new Reader(await this.#ask(() => this.#space.raw.blame(place.row)));
    let from = 0;
    return Array.from({ length: r.array() }, () => {
      r.array();
      const to = from + r.int();
      const time = new Date(r.int());
      const { version } = readBlock(r);
      const run = { from, to, ...readAuthor(r), time, ...(version && { version }) };
      from = to;
      return run;
    });
  }
}

/** The bytes of the id of an object, which may be of the past. */
function idOfTarget(what: string, object: object | string): Uint8Array {
  const key = typeof object === 'string' ? keyFromHex(object) : objectNodeOf(object)?.key;
  if (!key)
    throw new EchospaceError(
      'INVALID_ARGUMENT',
      `${what}: ${String(object)} is no object of a database and no id`,
    );
  return keyBytes(key);
}

/** Takes the id of a change apart. */
function placeOf(before: Change | string | undefined): [Uint8Array | undefined, number] {
  if (before === undefined) return [undefined, 0];
  const id = typeof before === 'string' ? before : before.id;
  const [, hash = '', index = ''] = /^([0-9a-f]{64})\.(\d{1,9})$/.exec(id) ?? [];
  if (!hash) throw new EchospaceError('INVALID_ARGUMENT', `history: ${id} is not the id of a change`);
  return [Uint8Array.from(hash.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16)), Number(index)];
}

/** Reads where a change is stored: its block alone is the version right after it. */
function readBlock(r: Reader): { hash: Uint8Array; version: Version | undefined } {
  r.array();
  const feed = r.bin();
  const seq = r.int();
  const hash = r.bin();
  if (seq === 0) return { hash, version: undefined };
  const w = new Writer();
  w.array(2);
  w.uint(1);
  w.array(1);
  w.array(3);
  w.bin(feed);
  w.uint(seq);
  w.bin(hash);
  return { hash, version: Version.ofBytes(w.bytes) };
}

function readAuthor(r: Reader): Omit<Authorship, 'time'> {
  r.array();
  const deviceKey = PublicKey.from(r.bin());
  const identity = r.bin();
  const displayName = r.str();
  return {
    identityKey: identity.some((byte) => byte !== 0) ? PublicKey.from(identity) : undefined,
    ...(displayName && { displayName }),
    deviceKey,
  };
}

function readChange(r: Reader): Change {
  r.array();
  const { hash, version } = readBlock(r);
  const id = `${toHex(hash)}.${r.int()}`;
  const time = new Date(r.int());
  const message = r.str();
  const author = readAuthor(r);
  const objects = Array.from({ length: r.array() }, () => readTouched(r));
  return { id, time, ...author, ...(message && { message }), version: version as Version, objects };
}

function readTouched(r: Reader): TouchedObject {
  r.array();
  const id = toHex(r.bin());
  const kind = kinds[r.int()] ?? 'edit';
  const paths = Array.from({ length: r.array() }, () => readKeys(r));
  return { id, kind, paths: paths.filter(isProperty) };
}

/** Tells properties from what is kept about the type of an object. */
function isProperty(path: readonly string[]): boolean {
  return !path[0]?.startsWith(reserved);
}

function readKeys(r: Reader): string[] {
  return Array.from({ length: r.array() }, () => r.str());
}

function readChangedObject(r: Reader): ChangedObject {
  r.array();
  const id = toHex(r.bin());
  const changes = Array.from({ length: r.array() }, () => readPropertyChange(r));
  return { id, changes: changes.filter(({ path }) => isProperty(path)) };
}

function readPropertyChange(r: Reader): PropertyChange {
  const size = r.array();
  const path = readKeys(r);
  if (size === 2) return { path, delta: Array.from({ length: r.array() }, () => readStep(r)) };
  const [before, after] = [r.bin(), r.bin()];
  return {
    path,
    ...(before.length > 0 && { before: plainValue(new Reader(before)) }),
    ...(after.length > 0 && { after: plainValue(new Reader(after)) }),
  };
}

function readStep(r: Reader): TextOp {
  const size = r.peek() === 'array' ? r.array() : 1;
  const step = readPlainStep(r);
  const attributes = readMarks(r, size - 1);
  return attributes ? ({ ...step, attributes } as TextOp) : step;
}

function readPlainStep(r: Reader): TextOp {
  if (r.peek() === 'str') return { insert: r.str() };
  const n = r.int();
  return n > 0 ? { retain: n } : { delete: -n };
}

/** Reads a value that means the same outside of a database. */
function plainValue(r: Reader): unknown {
  return readValue<unknown>(r, {
    reference: toHex,
    map: (reader, size) =>
      Object.fromEntries(Array.from({ length: size }, () => [reader.str(), plainValue(reader)])),
    list: (reader, size) => Array.from({ length: size }, () => plainValue(reader)),
  });
}
