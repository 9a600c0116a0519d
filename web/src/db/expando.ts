import { isLive, type Live, ObjectNode } from './live.js';

/** What {@link Expando} is. */
export interface ExpandoConstructor {
  new <T extends object = Record<string, unknown>>(properties?: T): Live<T>;
  [Symbol.hasInstance](value: unknown): boolean;
}

/**
 * An object with any properties, to be added to a database:
 *
 * ```ts
 * const task = new Expando({ title: 'Water the plants' });
 * space.db.add(task);
 * task.title = 'Water all plants';   // written to the database
 * ```
 *
 * Until it is added it is only in memory. Referring to it from an object of a
 * database adds it there. `instanceof Expando` holds for every live object.
 */
export const Expando = class {
  constructor(properties: object = {}) {
    // biome-ignore lint/correctness/noConstructorReturn: a live object is a Proxy, which no class can make of `this`.
    return ObjectNode.detached(properties).proxy;
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return isLive(value);
  }
} as unknown as ExpandoConstructor;
