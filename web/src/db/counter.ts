import { EchospaceError } from '../errors.js';

/** Where a counter is, once it is a property of a live object. */
interface Place {
  /** Writes an addition through to the database; throws if it is refused, and then nothing is added. */
  add(counter: Counter, by: number): void;
}

const places = new WeakMap<Counter, Place>();
let setValue: (counter: Counter, value: number) => void;

/**
 * A whole number that several people add to at once without losing anything:
 *
 * ```ts
 * const poll = space.db.add({ question: 'Tea?', yes: new Counter() });
 * poll.yes.increment();
 * ```
 *
 * Everybody's additions count, however late they arrive. Setting the property
 * to another `Counter` begins anew; counters that two people make under one name
 * at the same time are one, which begins with the sum of both.
 */
export class Counter {
  #value: number;

  static {
    setValue = (counter, value) => {
      counter.#value = value;
    };
  }

  /**
   * @param start - A safe integer to begin with.
   * @throws INVALID_ARGUMENT for any other number.
   */
  constructor(start = 0) {
    this.#value = whole('Counter', start);
  }

  /** What has been added up so far. */
  get value(): number {
    return this.#value;
  }

  /**
   * Adds a safe integer.
   *
   * @throws INVALID_ARGUMENT for any other number; TOO_LARGE if the sum is none;
   *   NOT_FOUND if the counter is no longer part of its object; SPACE_CLOSED;
   *   NOT_PERMITTED. Nothing is added then.
   */
  increment(by = 1): void {
    const amount = whole('increment', by);
    if (!Number.isSafeInteger(this.#value + amount))
      throw new EchospaceError(
        'TOO_LARGE',
        `increment: ${this.#value} and ${amount} are more than a number holds`,
      );
    const place = places.get(this);
    if (place) place.add(this, amount);
    else this.#value += amount;
  }

  /** Takes a safe integer away; see {@link increment}. */
  decrement(by = 1): void {
    this.increment(-by);
  }

  /** The value: in JSON a counter is a number. */
  toJSON(): number {
    return this.#value;
  }

  valueOf(): number {
    return this.#value;
  }

  toString(): string {
    return String(this.#value);
  }
}

/** Gives a safe integer; minus zero, which is none to the core, as zero. */
function whole(what: string, value: number): number {
  if (!Number.isSafeInteger(value))
    throw new EchospaceError('INVALID_ARGUMENT', `${what}: ${String(value)} is no whole number up to 2^53`);
  return value + 0;
}

/** Puts a counter in its place: from now on additions go there. */
export function placeCounter(counter: Counter, place: Place): void {
  places.set(counter, place);
}

/** Tells whether a counter is, or was, a property of a live object. */
export function isPlaced(counter: Counter): boolean {
  return places.has(counter);
}

/** Has a counter show what the database says. */
export function setCounter(counter: Counter, value: number): void {
  setValue(counter, value);
}
