import type { Kept } from './container.js';
import { type Definition, definitionOf, generation, type Problem } from './definition.js';
import type { ObjectNode } from './live.js';
import { same } from './same.js';
import type { Path } from './values.js';

/**
 * How an object of a type shows itself: where what it shows differs from what is
 * stored, the state of the object holds the former and this the latter. An
 * object of an older version shows what the migration makes of it, and one that
 * lacks a property its default. Nothing of that is written until somebody edits.
 */
export class View {
  /** Undefined if this page does not define the type. */
  readonly definition: Definition | undefined;
  /** What is stored, or undefined for nothing, under the names that show something else. */
  readonly #stored = new Map<string, Kept | undefined>();
  /** What showed that was not stored, when this ended. */
  readonly last = new Map<string, Kept>();
  /** True while the object is of an older version. */
  migrates: boolean;
  /** What is wrong with what the object shows. */
  problems: readonly Problem[] = [];
  /** The generation of definitions that this is of; none if it has to be made anew. */
  generation = generation;

  constructor(node: ObjectNode) {
    this.definition = definitionOf(node.type as string);
    this.migrates = node.version < (this.definition?.version ?? 0);
  }

  /** Tells whether anything shows that is not stored. */
  get hidesAny(): boolean {
    return this.#stored.size > 0;
  }

  /** Tells whether what shows under a name is not stored. */
  hides(key: string): boolean {
    return this.#stored.has(key);
  }

  /** Has the object show itself as its type says, with the same values as before where they are alike. */
  make(node: ObjectNode, before: View | undefined): void {
    const stored = node.plain();
    const reading = this.definition?.read(stored, node.version);
    if (!reading) return;
    const { shown } = reading;
    this.problems = reading.problems;
    try {
      for (const key of new Set([...Object.keys(stored), ...Object.keys(shown)])) {
        const had = Object.hasOwn(stored, key);
        const has = Object.hasOwn(shown, key);
        if (had === has && (shown[key] === stored[key] || same(shown[key], stored[key]))) continue;
        const kept = has ? node.keepShown(key, shown[key], before?.last.get(key)) : undefined;
        this.#stored.set(key, node.state[key]);
        node.putOrDelete(key, kept);
      }
    } catch (error) {
      // A migration, or a default, gave what no object can hold.
      this.restore(node);
      this.problems = [{ path: [], message: (error as Error).message }];
    }
  }

  /** Has the object show what is stored; notes what it showed beside that. */
  restore(node: ObjectNode): void {
    for (const [key, kept] of this.#stored) {
      if (Object.hasOwn(node.state, key)) this.last.set(key, node.state[key] as Kept);
      node.putOrDelete(key, kept);
    }
    this.#stored.clear();
    this.generation = -1;
  }

  /** Notes what is wrong after an edit, until that is taken back. */
  note(node: ObjectNode, problems: readonly Problem[]): void {
    if (this.problems.length + problems.length === 0) return;
    this.problems = problems;
    node.endEdit(() => {
      this.generation = -1;
    });
  }

  /**
   * Stores what an edit builds on: all that a migration made, with the version,
   * or the default that the edit is inside of. What the edit itself is about to
   * replace is not stored before.
   */
  store(node: ObjectNode, path: Path): void {
    const names = this.migrates ? [...this.#stored.keys()] : [String(path[0])];
    for (const key of names) {
      if (!this.#stored.has(key)) continue;
      const kept = this.#stored.get(key);
      this.#stored.delete(key);
      const undo = () => {
        node.putOrDelete(key, kept);
        this.generation = -1;
      };
      if (path.length > 1 || path[0] !== key) node.writeShown(key, undo);
      else node.endEdit(undo);
    }
    if (!this.migrates) return;
    this.migrates = false;
    node.writeVersion((this.definition as Definition).version, () => {
      this.generation = -1;
    });
  }
}

/** What a transaction did to one object of a type. */
export interface Touched {
  /** What was wrong before. */
  readonly before: readonly Problem[];
  /** The properties that were edited; true for those that were set as a whole. */
  readonly keys: Map<string, boolean>;
}

/**
 * Begins an edit of an object of a type: notes what it is about and stores what
 * it builds on. The path of an edit inside of a list, counter or text goes into it.
 */
export function beginTouch(node: ObjectNode, path: Path, touched: Touched | undefined): Touched {
  const view = node.view as View;
  const noted = touched ?? { before: view.problems, keys: new Map() };
  const key = String(path[0]);
  noted.keys.set(key, path.length === 1 || noted.keys.get(key) === true);
  view.store(node, path);
  return noted;
}

/**
 * Validates an object of a type after edits of it. What was set is replaced by
 * what the schema gives for it. An object that was wrong before, since others
 * have written it, may stay so: then what was set must be right, and inside of
 * what was edited no more may be wrong than before.
 *
 * @throws INVALID_ARGUMENT naming the property and what is wrong with it.
 */
export function judge(node: ObjectNode, { before, keys }: Touched): void {
  node.ensureLoaded();
  const view = node.view as View;
  const { definition } = view;
  if (!definition) return;
  const shown = node.plain();
  const outcome = definition.validate(shown);
  if (outcome.problems) {
    const bad = before.length > 0 ? caused(outcome.problems, before, keys) : outcome.problems;
    if (bad.length > 0) throw definition.refusal(bad);
    view.note(node, outcome.problems);
    return;
  }
  view.note(node, []);
  const output = outcome.value as Record<string, unknown>;
  let replaced = false;
  for (const [key, whole] of keys) {
    // What was deleted may have a default to show.
    if (!Object.hasOwn(shown, key)) view.generation = -1;
    else if (output[key] === undefined)
      throw definition.refusal([{ path: [key], message: 'the schema has no such property' }]);
    else if (whole && !same(output[key], shown[key])) {
      node.assign(key, output[key]);
      replaced = true;
    }
  }
  if (replaced) definition.checkOutput(node.plain());
}

/** The problems that edits of an object that had some are to blame for. */
function caused(now: readonly Problem[], before: readonly Problem[], keys: Touched['keys']): Problem[] {
  return [...keys].flatMap(([key, whole]) => {
    const [after, earlier] = [now, before].map((all) => all.filter(({ path }) => String(path[0]) === key));
    return after && (whole || after.length > (earlier?.length ?? 0)) ? after : [];
  });
}
