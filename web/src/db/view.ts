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
  #stored: Map<string, Kept | undefined> | undefined;
  /** What showed that was not stored, when this ended. */
  last: Map<string, Kept> | undefined;
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

  /** Tells whether what shows under a name is not stored. */
  hides(key: string): boolean {
    return this.#stored?.has(key) ?? false;
  }

  /** Has the object show itself as its type says, with the same values as before where they are alike. Never throws. */
  make(node: ObjectNode, before: View | undefined): void {
    if (!this.definition) return;
    try {
      const stored = node.plain();
      const { shown, problems } = this.definition.read(stored, node.version);
      this.problems = problems;
      for (const key of new Set([...Object.keys(stored), ...Object.keys(shown)])) {
        const had = Object.hasOwn(stored, key);
        const has = Object.hasOwn(shown, key);
        if (had === has && (shown[key] === stored[key] || same(shown[key], stored[key]))) continue;
        const kept = has ? node.keepShown(key, shown[key], before?.last?.get(key)) : undefined;
        this.#stored ??= new Map();
        this.#stored.set(key, own(node.state, key));
        node.putOrDelete(key, kept);
      }
    } catch (error) {
      // A migration, or a default, gave what no object can hold; or the space is closed.
      this.restore(node);
      this.generation = generation;
      this.problems = [{ path: [], message: error instanceof Error ? error.message : String(error) }];
    }
  }

  /** Has the object show what is stored, until this is made anew; notes what it showed beside that. */
  restore(node: ObjectNode): void {
    this.generation = -1;
    if (!this.#stored) return;
    this.last = undefined;
    for (const [key, kept] of this.#stored) this.#restore(node, key, kept);
    this.#stored = undefined;
  }

  #restore(node: ObjectNode, key: string, kept: Kept | undefined): void {
    const shown = own(node.state, key);
    this.last ??= new Map();
    if (shown !== undefined) this.last.set(key, shown);
    node.putOrDelete(key, kept);
  }

  /** What shows is about to be stored, all of it. */
  adopt(node: ObjectNode): void {
    this.#stored = undefined;
    if (this.migrates) node.version = (this.definition as Definition).version;
    this.migrates = false;
  }

  /**
   * Stores what an edit builds on: all that a migration made, with the version,
   * or the default that the edit is inside of. What the edit itself is about to
   * replace is not stored before.
   */
  store(node: ObjectNode, path: Path): void {
    const stored = this.#stored ?? new Map<string, Kept | undefined>();
    const names = this.migrates ? [...stored.keys()] : [String(path[0])];
    for (const key of names) {
      if (!stored.has(key)) continue;
      const kept = stored.get(key);
      stored.delete(key);
      const undo = () => this.#restore(node, key, kept);
      if (path.length > 1 || path[0] !== key) node.writeShown(key, undo);
      else node.endEdit(undo);
    }
    if (!this.migrates) return;
    this.migrates = false;
    node.writeVersion((this.definition as Definition).version);
  }
}

function own<V>(values: Record<string, V>, key: string): V | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined;
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
    view.problems = outcome.problems;
    return;
  }
  view.problems = [];
  const output = outcome.value as Record<string, unknown>;
  let replaced = false;
  for (const [key, whole] of keys) {
    const value = own(output, key);
    // What was deleted may have a default to show.
    if (!Object.hasOwn(shown, key)) view.generation = -1;
    else if (value === undefined)
      throw definition.refusal([{ path: [key], message: 'the schema has no such property' }]);
    else if (whole && !same(value, shown[key])) {
      node.assign(key, value);
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
