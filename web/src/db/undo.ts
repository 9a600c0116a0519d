import { Observable, Source } from '../observable.js';
import { Reader } from '../wire.js';

/** A step that can be undone or redone. */
export interface UndoStep {
  /** What its transaction said of itself: see {@link Database.transact}. */
  readonly message: string | undefined;
  /** When it was done. */
  readonly time: Date;
}

/** What can be undone and redone. */
export interface UndoState {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** What {@link UndoManager.undo} takes back: for a menu that says "Undo: rename". */
  readonly nextUndo: UndoStep | undefined;
  /** What {@link UndoManager.redo} does again. */
  readonly nextRedo: UndoStep | undefined;
}

/** What a database does for its undo manager. */
export interface UndoHost {
  readonly isOpen: boolean;
  /** Hands over what waits, and takes a step back, or does it again; false if there is none. */
  revert(redo: boolean): boolean;
  /** Hands over what waits, and changes the stack. */
  changeUndo(what: number, n?: number): void;
  /** Hands over what waits, and reads the stack. */
  undoState(): Uint8Array;
}

/** What the core is asked for. */
export const undoCall = { undo: 0, redo: 1, endTask: 2, endStep: 3, clear: 4, window: 5 } as const;

const nothing: UndoState = { canUndo: false, canRedo: false, nextUndo: undefined, nextRedo: undefined };

/**
 * Undo and redo of what this page did in one space; what others did, in other tabs
 * too, stays.
 *
 * ```ts
 * space.db.transact(() => { task.title = 'x'; }, { message: 'rename' });
 * space.db.undo.undo();
 * ```
 *
 * A step is what one task did (everything up to the next `await`), or one outermost
 * `transact`. Edits of one text join a step as long as not more than
 * {@link captureWindow} lies between two of them, if nothing else comes in between.
 *
 * An undo is a transaction of its own, which is stored and replicated. It takes back
 * what others have left of a step:
 *
 * - A property goes back to its earlier value if the value there is still the one
 *   that the step wrote; if somebody else has set it since, or at the same time, it
 *   stays. An object, a map, a list, a text or a counter that was there comes back
 *   as the same one, with all that is in it.
 * - Of a text the characters that the step inserted go; those that it deleted come
 *   back at their place, formatted as before, unless somebody else deleted them too.
 * - Where a text shows formatting of the step, it shows again what it did before.
 * - A counter loses what the step added.
 * - Of a list the items that the step inserted go. Those that it removed come back
 *   as new ones with equal contents, since a removal is for good: behind the item
 *   that was before them, else before the one behind, else at their old place.
 *   Moved ones go back likewise, if nobody has moved them since.
 *
 * A step of which nothing is left is passed over. Any edit ends what can be redone.
 * The last 200 steps are kept, in up to 1 MiB; the last one always. They survive a
 * reload: they belong to the slot of the tab, and a tab that starts takes the lowest
 * free one with the steps that were done there.
 */
export class UndoManager {
  readonly #host: UndoHost;
  readonly #source = new Source(nothing);
  readonly #state = new Observable(this.#source);
  /** @internal Somebody has asked for the state: the core reads the stack when it first gives it. */
  watched = false;
  #version = -1;
  #window = 500;

  /** @internal */
  constructor(host: UndoHost) {
    this.#host = host;
  }

  /**
   * Takes the last step back, and gives whether there was one.
   *
   * @throws INVALID_ARGUMENT within a transaction; SPACE_CLOSED; NOT_PERMITTED.
   *   Nothing is changed then.
   */
  undo(): boolean {
    return this.#host.revert(false);
  }

  /** Does what was undone last again; see {@link undo}. */
  redo(): boolean {
    return this.#host.revert(true);
  }

  /** What can be undone and redone, for buttons: changes are told once per burst. */
  get state(): Observable<UndoState> {
    if (!this.watched) {
      this.watched = true;
      this.#now();
    }
    return this.#state;
  }

  /** Whether there is a step to undo. */
  get canUndo(): boolean {
    return this.#now().canUndo;
  }

  /** Whether there is a step to redo. */
  get canRedo(): boolean {
    return this.#now().canRedo;
  }

  /** The step that {@link undo} takes back. */
  get nextUndo(): UndoStep | undefined {
    return this.#now().nextUndo;
  }

  /** The step that {@link redo} does again. */
  get nextRedo(): UndoStep | undefined {
    return this.#now().nextRedo;
  }

  /** Forgets all steps. */
  clear(): void {
    this.#host.changeUndo(undoCall.clear);
  }

  /** Ends the step that typing joins: what comes is another. */
  stopCapturing(): void {
    this.#host.changeUndo(undoCall.endStep);
  }

  /**
   * For how long after an edit of a text another one of the same text joins its step:
   * milliseconds, 500 at first. With 0 none does.
   */
  get captureWindow(): number {
    return this.#window;
  }

  set captureWindow(milliseconds: number) {
    this.#window = Math.max(0, Math.min(Math.trunc(milliseconds) || 0, 2 ** 31 - 1));
    this.#host.changeUndo(undoCall.window, this.#window);
  }

  /** @internal The stack is another if its number is: tells the observers. */
  follow(version: number): void {
    if (!this.watched || version === this.#version) return;
    this.#version = version;
    this.#now();
  }

  /** @internal The space was opened. */
  open(): void {
    this.#version = -1;
    this.#host.changeUndo(undoCall.window, this.#window);
    this.#host.changeUndo(undoCall.endTask);
  }

  /** @internal The space was closed. */
  close(): void {
    this.#source.next(nothing);
  }

  #now(): UndoState {
    if (!this.#host.isOpen) return nothing;
    const state = readState(new Reader(this.#host.undoState()));
    const { value } = this.#source;
    if (!sameStep(value.nextUndo, state.nextUndo) || !sameStep(value.nextRedo, state.nextRedo))
      this.#source.next(state);
    return state;
  }
}

function sameStep(a: UndoStep | undefined, b: UndoStep | undefined): boolean {
  return a?.message === b?.message && a?.time.getTime() === b?.time.getTime();
}

/** Reads `[undo, redo, message, time, message, time]`. */
function readState(r: Reader): UndoState {
  r.array();
  const canUndo = r.int() > 0;
  const canRedo = r.int() > 0;
  const step = (is: boolean) => {
    const message = r.str() || undefined;
    const time = new Date(r.int());
    return is ? { message, time } : undefined;
  };
  return { canUndo, canRedo, nextUndo: step(canUndo), nextRedo: step(canRedo) };
}
