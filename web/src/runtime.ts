import { defineGo } from 'wasm_exec';
import { EchospaceError, errorOfKind, reportUncaught, toEchospaceError } from './errors.js';
import { fetchModule } from './loader.js';
import type { RawApi, RawExports } from './raw.js';
import { Reader, type Writer } from './wire.js';

/** The part of Go's `wasm_exec.js` that is used here. */
interface GoRuntime {
  readonly importObject: WebAssembly.Imports;
  exited?: boolean;
  exit(code: number): void;
  run(instance: WebAssembly.Instance): Promise<void>;
  _resume(): void;
}

interface GoGlobals {
  Go?: new () => GoRuntime;
  /** Called by the module once, while it starts, with what it offers. */
  __echospace_ready?: ((api: RawApi) => void) | undefined;
}

const runtimes = new Map<string, Promise<Runtime>>();

/** Starts are one after the other, since the module finds its callback under one global name. */
let starting: Promise<unknown> = Promise.resolve();

/**
 * Gives the running module of that address, starting it at first use: one per
 * page and address, whatever the number of clients. A start that failed, and a
 * module that crashed, are forgotten, so that a later call tries again.
 */
export function openRuntime(url: string): Promise<Runtime> {
  const running = runtimes.get(url);
  if (running) return running;
  const forget = () => runtimes.delete(url);
  const opened = Promise.all([fetchModule(url), starting]).then(([module]) => Runtime.start(module, forget));
  starting = opened.catch(() => undefined);
  runtimes.set(url, opened);
  opened.catch(forget);
  return opened;
}

function crashOf(cause: unknown): EchospaceError {
  if (cause instanceof EchospaceError && cause.code === 'CRASHED') return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new EchospaceError('CRASHED', `the core has crashed: ${why}; reload the page`, { cause });
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const utf8Encoder = new TextEncoder();

/** After how many bytes of operations the core's goroutines get a turn, and what a transaction counts for besides. */
const yieldBytes = 64 << 10;
const applyBytes = 256;

/** Bytes of the input buffer; one that a larger input makes is given away with the transaction in it. */
const roomSize = 64 << 10;

/** How much of what is typed is kept back at most, in code units. */
const maxTyped = 256;

/** Edits that go on where the last edit of a text ended, and that the core has not been given: inserts, or deletes. */
interface Typed {
  readonly handle: number;
  readonly text: number;
  readonly now: number;
  readonly inserts: boolean;
  /** Where the content is to be inserted, or `deleted` code units are to go. */
  pos: number;
  content: string;
  deleted: number;
  /** Where the next insert goes on. */
  end: number;
  /** The length of the text, of which every position is one between characters; else -1. */
  plain: number;
}

/** A running module: its API, its hot path, and what happens when it dies. */
export class Runtime {
  readonly #exports: RawExports;
  readonly #rejecters = new Set<(error: EchospaceError) => void>();
  readonly #crashListeners = new Set<(error: EchospaceError) => void>();
  readonly #forget: () => void;
  #api: RawApi | undefined;
  #crash: EchospaceError | undefined;
  #memory = new Uint8Array(0);
  #roomAt = 0;
  /** Bytes of the input buffer at least; 0 if there is none. */
  #roomSize = 0;
  /** What was applied since the core's goroutines had their turn, in bytes. */
  #owed = 0;
  /** Undefined unless nothing of the module has run since the last edit of a text. */
  #typed: Typed | undefined;

  private constructor(exports: RawExports, forget: () => void) {
    this.#exports = exports;
    this.#forget = forget;
  }

  /** Instantiates the module and waits until Go has announced its API. */
  static async start(module: WebAssembly.Module, forget: () => void): Promise<Runtime> {
    const globals = globalThis as GoGlobals;
    if (!globals.Go) defineGo();
    if (!globals.Go) throw new EchospaceError('INTERNAL', 'wasm_exec.js did not define Go');
    const go = new globals.Go();
    const instance = await WebAssembly.instantiate(module, go.importObject);
    const runtime = new Runtime(instance.exports as unknown as RawExports, forget);
    runtime.#watch(go);
    const ready = new Promise<RawApi>((resolve) => {
      globals.__echospace_ready = resolve;
    });
    try {
      const ended = go.run(instance);
      ended.then(
        () => runtime.crash(new Error('the module has exited')),
        (error) => runtime.crash(error),
      );
      runtime.#api = await runtime.guard(ready);
      return runtime;
    } finally {
      globals.__echospace_ready = undefined;
    }
  }

  /** Notices the two ways in which Go ends: an exit code, and a trap inside an event. */
  #watch(go: GoRuntime): void {
    const resume = go._resume.bind(go);
    go.exit = (code) => this.crash(new Error(`the module has exited with code ${code}`));
    go._resume = () => {
      if (this.#crash) throw this.#crash;
      try {
        this.#handOver();
        resume();
      } catch (error) {
        this.crash(error);
        throw error;
      }
    };
  }

  /** The module's control API. */
  get api(): RawApi {
    if (!this.#api) throw new EchospaceError('NOT_INITIALIZED', 'the module has not started');
    return this.#api;
  }

  /** True once the module has died: nothing of it may be called any more. */
  get crashed(): boolean {
    return this.#crash !== undefined;
  }

  /** Ends everything that waits for the module. Only the first call counts. */
  crash(cause: unknown): void {
    if (this.#crash) return;
    this.#crash = crashOf(cause);
    this.#forget();
    for (const reject of [...this.#rejecters, ...this.#crashListeners]) reject(this.#crash);
    this.#rejecters.clear();
    this.#crashListeners.clear();
  }

  /** Calls `listener` when the module dies; gives the function that stops this. */
  onCrash(listener: (error: EchospaceError) => void): () => void {
    if (this.#crash) listener(this.#crash);
    else this.#crashListeners.add(listener);
    return () => this.#crashListeners.delete(listener);
  }

  /** Follows a promise of the core, with its errors as EchospaceErrors; rejects CRASHED if the core dies first. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#crash) {
        reject(this.#crash);
        return;
      }
      this.#rejecters.add(reject);
      promise
        .then(resolve, (error) => reject(this.#errorOf(error)))
        .finally(() => this.#rejecters.delete(reject));
    });
  }

  /**
   * Makes a synchronous call into the core. Go cannot throw into JavaScript, so
   * a call that fails gives an Error, which is thrown here as an EchospaceError.
   */
  call<T>(f: () => T): T {
    if (this.#crash) throw this.#crash;
    let result: T;
    try {
      result = f();
    } catch (error) {
      throw this.#crash ?? toEchospaceError(error);
    }
    if (result instanceof Error) throw this.#errorOf(result);
    return result;
  }

  /** An error of the core. One that says that the core has crashed ends everything. */
  #errorOf(raw: unknown): EchospaceError {
    const error = toEchospaceError(raw);
    if (error.code === 'CRASHED') this.crash(error);
    return this.#crash ?? error;
  }

  /** Calls an export. A trap in it is a crash, since Go cannot go on. */
  #invoke(f: (exports: RawExports) => number): number {
    if (this.#crash) throw this.#crash;
    try {
      this.#handOver();
      return f(this.#exports);
    } catch (error) {
      this.crash(error);
      throw this.#crash ?? error;
    }
  }

  /** The module's memory as it is now: a call may have replaced the buffer. */
  #bytes(): Uint8Array {
    const { buffer } = this.#exports.mem;
    if (this.#memory.buffer !== buffer) this.#memory = new Uint8Array(buffer);
    return this.#memory;
  }

  #put(input: Uint8Array): number {
    if (this.#typed !== undefined) this.#invoke(() => 0); // what was typed goes through the same buffer
    const at = this.#room(input.length);
    this.#bytes().set(input, at);
    return input.length;
  }

  /** The address of the input buffer, which stays where it is until more room is asked for. */
  #room(size: number): number {
    if (size > this.#roomSize) {
      this.#roomAt = this.#invoke((e) => e.es_buffer(size));
      this.#roomSize = Math.max(size, roomSize);
    }
    return this.#roomAt;
  }

  /** A copy of the last output, so that a later call cannot change what was read. */
  #output(length: number): Uint8Array {
    if (length === 0) return new Uint8Array(0);
    const at = this.#invoke((e) => e.es_out());
    return this.#bytes().slice(at, at + length);
  }

  #failure(): EchospaceError {
    const output = this.#output(this.#invoke((e) => e.es_error()));
    if (output.length === 0) return errorOfKind(1, 'the core refused without a reason');
    const reader = new Reader(output);
    reader.array();
    return this.#errorOf(errorOfKind(reader.int(), reader.str()));
  }

  /** A call that gives bytes; a negative length says that it failed. */
  #query(input: Uint8Array, call: (exports: RawExports, length: number) => number): Uint8Array {
    const length = this.#put(input);
    const out = this.#invoke((e) => call(e, length));
    if (out < 0) throw this.#failure();
    return this.#output(out);
  }

  /**
   * Applies one transaction of ops to a space: all of it, or nothing and an
   * error. With `endStep` no other joins its step of the undo stack. What it wakes in
   * the core runs at the next `yield`, or now and then, since in a long loop of
   * transactions the collector must get its turn.
   */
  apply(handle: number, ops: Uint8Array, endStep: boolean): void {
    const length = this.#put(ops);
    if (length > roomSize) this.#roomSize = 0; // the core keeps the buffer
    const status = this.#invoke((e) => e.es_apply(handle, length, Date.now(), endStep ? 1 : 0));
    if (status !== 0) throw this.#failure();
    for (this.#owed += length + applyBytes; this.#owed >= yieldBytes; this.#owed -= yieldBytes)
      this.#invoke((e) => e.es_yield());
  }

  /** Lets what edits woke run: to be called at the end of a burst of them. */
  yield(): void {
    this.#owed = 0;
    this.#invoke((e) => e.es_yield());
  }

  /** Reads the records of concatenated ids: an array of record or nil. */
  read(handle: number, ids: Uint8Array): Uint8Array {
    return this.#query(ids, (e, length) => e.es_read(handle, length));
  }

  /** Opens a live query: its number, and the ids of its first result. */
  openQuery(handle: number, query: Writer): { query: number; ids: Uint8Array } {
    const reader = new Reader(this.#query(query.bytes, (e, length) => e.es_query_open(handle, length)));
    reader.array();
    return { query: reader.int(), ids: reader.bin() };
  }

  /** The ids of the objects in a query now. */
  query(handle: number, query: Writer): Uint8Array {
    return this.#query(query.bytes, (e, length) => e.es_query(handle, length));
  }

  /** How many objects meet the conditions of a query. */
  countQuery(handle: number, query: Writer): number {
    const length = this.#put(query.bytes);
    return this.#number((e) => e.es_query_count(handle, length));
  }

  /** How a query is answered: `[[[index, declared]...], examined, matched, ordered]`. */
  explainQuery(handle: number, query: Writer): Uint8Array {
    return this.#query(query.bytes, (e, length) => e.es_query_explain(handle, length));
  }

  createIndex(handle: number, index: Writer): void {
    this.#query(index.bytes, (e, length) => e.es_index_create(handle, length));
  }

  dropIndex(handle: number, index: Writer): void {
    this.#query(index.bytes, (e, length) => e.es_index_drop(handle, length));
  }

  /** Puts about so many objects into indexes; gives how many are left to do. */
  buildIndexes(handle: number, objects: number): number {
    return this.#number((e) => e.es_index_build(handle, objects));
  }

  /** Closes a query; does nothing if it is not open. */
  closeQuery(handle: number, query: number): void {
    this.#invoke((e) => e.es_query_close(handle, query));
  }

  /** Drains about `limit` bytes of what changed; undefined if nothing did. */
  changes(handle: number, limit: number): Uint8Array | undefined {
    const out = this.#invoke((e) => e.es_changes(handle, limit));
    if (out < 0) throw this.#failure();
    return out === 0 ? undefined : this.#output(out);
  }

  /** Does something to the undo stack: see `jsbridge/hotpath/undo.go`. */
  undo(handle: number, what: number, n = 0): number {
    return this.#number((e) => e.es_undo(handle, what, n));
  }

  /** What can be undone and redone: `[undo, redo, message, time, message, time]`. */
  undoState(handle: number): Uint8Array {
    return this.#output(this.#number((e) => e.es_undo_state(handle)));
  }

  /** How many items of lists the core has numbered: the number of the next. */
  countItems(handle: number): number {
    return this.#number((e) => e.es_items(handle));
  }

  /** The number of the text at `[object, [key...]]`, for as long as the space is open. */
  findText(handle: number, path: Writer): number {
    const length = this.#put(path.bytes);
    return this.#number((e) => e.es_text_find(handle, length));
  }

  textLength(handle: number, text: number): number {
    return this.#number((e) => e.es_text_length(handle, text));
  }

  /** The part of a text between two positions in UTF-16 code units. */
  readText(handle: number, text: number, from: number, end: number): string {
    const length = this.#number((e) => e.es_text_read(handle, text, from, end));
    if (length === 0) return '';
    const at = this.#invoke((e) => e.es_out());
    return utf8.decode(this.#bytes().subarray(at, at + length));
  }

  /** How a text is formatted: an array of arrays of a length, and names and values of marks in turn. */
  textMarks(handle: number, text: number): Uint8Array {
    const length = this.#number((e) => e.es_text_marks(handle, text));
    return this.#output(length);
  }

  /** Has the changes tell what happens in a text, or no longer. */
  watchText(handle: number, text: number, on: boolean): void {
    this.#number((e) => e.es_text_watch(handle, text, on ? 1 : 0));
  }

  /** Notes a position of a text that is to survive edits, and gives its number. */
  anchorText(handle: number, text: number, pos: number, after: boolean): number {
    return this.#number((e) => e.es_text_anchor(handle, text, pos, after ? 1 : 0));
  }

  anchorAt(handle: number, text: number, anchor: number): number {
    return this.#number((e) => e.es_text_anchor_at(handle, text, anchor));
  }

  releaseAnchor(handle: number, text: number, anchor: number): void {
    this.#number((e) => e.es_text_anchor_release(handle, text, anchor));
  }

  /**
   * Replaces code units of a text by a well-formed string, as a transaction of its
   * own. What goes on where the last edit ended, in the same millisecond and before
   * anything of the module has run, cannot be refused and is one change with it: it
   * is kept back until then. (A delete can be, if it would cut a character; those of
   * texts that have no such place are kept back.)
   */
  editText(handle: number, text: number, pos: number, deleted: number, inserted: string): void {
    if (this.#crash) throw this.#crash;
    const now = Date.now();
    const t = this.#typed;
    if (t !== undefined && now === t.now && text === t.text && handle === t.handle) {
      if (deleted === 0 && t.inserts) {
        if (pos === t.end && t.content.length + inserted.length <= maxTyped) {
          t.content += inserted;
          t.end += inserted.length;
          return;
        }
      } else if (deleted > 0 && inserted.length === 0 && !t.inserts && pos >= 0) {
        const backwards = pos + deleted === t.pos;
        if ((backwards || pos === t.pos) && pos + deleted <= t.plain && t.deleted + deleted <= maxTyped) {
          t.pos = pos;
          t.deleted += deleted;
          t.plain -= deleted;
          return;
        }
      }
    }
    const status = this.#invoke((e) => this.#edit(e, handle, text, pos, deleted, inserted, now));
    if (status < 0) throw this.#failure();
    const end = pos + inserted.length;
    const inserts = inserted.length > 0;
    this.#typed = { handle, text, now, inserts, pos: end, content: '', deleted: 0, end, plain: status - 1 };
  }

  #edit(
    e: RawExports,
    handle: number,
    text: number,
    pos: number,
    deleted: number,
    inserted: string,
    now: number,
  ): number {
    if (deleted === 0 && inserted.length === 1)
      return e.es_text_type(handle, text, pos, inserted.charCodeAt(0), now);
    return e.es_text_edit(handle, text, pos, deleted, this.#putText(inserted), now);
  }

  /** Gives the core what was kept back, before anything else of it runs. */
  #handOver(): void {
    const t = this.#typed;
    if (t === undefined) return;
    this.#typed = undefined;
    if (t.content.length + t.deleted === 0) return;
    const status = this.#edit(this.#exports, t.handle, t.text, t.pos, t.deleted, t.content, t.now);
    if (status < 0) reportUncaught(this.#failure()); // the text can count no more
  }

  /** Puts a string into the input buffer as UTF-8, and gives its length in bytes. */
  #putText(content: string): number {
    if (content.length === 0) return 0;
    const size = 3 * content.length;
    const at = this.#room(size);
    return utf8Encoder.encodeInto(content, this.#bytes().subarray(at, at + size)).written;
  }

  /** A call that gives a number; a negative one says that it failed. */
  #number(call: (exports: RawExports) => number): number {
    const out = this.#invoke(call);
    if (out < 0) throw this.#failure();
    return out;
  }

  /** The values that were set concurrently at a path: an array of bin, the winner first; an empty one is a deletion. */
  conflicts(handle: number, request: Writer): Uint8Array {
    return this.#query(request.bytes, (e, length) => e.es_conflicts(handle, length));
  }
}
