import { EchospaceError, reportUncaught } from './errors.js';

/** What {@link Observable.subscribe} gives back. */
export interface Subscription {
  /** Ends the subscription: no callback runs after it. May be called again. */
  unsubscribe(): void;
  /** True once unsubscribed, or once the observable has ended. */
  readonly closed: boolean;
}

interface Observer<T> {
  next: ((value: T) => void) | undefined;
  error: ((error: EchospaceError) => void) | undefined;
  complete: (() => void) | undefined;
  closed: boolean;
}

type Event<T> = { type: 'next'; value: T } | { type: 'error'; error: EchospaceError } | { type: 'complete' };

type End = { type: 'error'; error: EchospaceError } | { type: 'complete' };

/**
 * The writing end of an {@link Observable}. The value is there for `get()` at
 * once; observers hear of it in a microtask, in order, so that none of them
 * ever runs inside a call of the core.
 */
export class Source<T> {
  readonly #observers = new Set<Observer<T>>();
  readonly #queue: { event: Event<T>; observers: Observer<T>[] }[] = [];
  #value: T;
  #end: End | undefined;

  constructor(initial: T) {
    this.#value = initial;
  }

  get value(): T {
    return this.#value;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** Sets the value. Does nothing after the end. */
  next(value: T): void {
    if (this.#end) return;
    this.#value = value;
    this.#emit({ type: 'next', value });
  }

  /** Ends with an error. Does nothing after the end. */
  error(error: EchospaceError): void {
    this.#finish({ type: 'error', error });
  }

  /** Ends well. Does nothing after the end. */
  complete(): void {
    this.#finish({ type: 'complete' });
  }

  #finish(end: End): void {
    if (this.#end) return;
    this.#end = end;
    this.#emit(end);
  }

  #emit(event: Event<T>): void {
    if (this.#observers.size === 0) return;
    this.#queue.push({ event, observers: [...this.#observers] });
    if (this.#queue.length === 1) queueMicrotask(() => this.#drain());
  }

  #drain(): void {
    for (const { event, observers } of this.#queue) {
      for (const observer of observers) this.#deliver(observer, event);
    }
    this.#queue.length = 0;
  }

  #deliver(observer: Observer<T>, event: Event<T>): void {
    if (observer.closed) return;
    if (event.type !== 'next') this.#drop(observer);
    try {
      if (event.type === 'next') observer.next?.(event.value);
      else if (event.type === 'error') observer.error?.(event.error);
      else observer.complete?.();
    } catch (thrown) {
      reportUncaught(thrown);
    }
  }

  #drop(observer: Observer<T>): void {
    observer.closed = true;
    this.#observers.delete(observer);
  }

  /** Registers callbacks as {@link Observable.subscribe} describes. */
  subscribe(
    next: ((value: T) => void) | undefined,
    error: ((error: EchospaceError) => void) | undefined,
    complete: (() => void) | undefined,
  ): Subscription {
    const observer: Observer<T> = { next, error, complete, closed: false };
    this.#observers.add(observer);
    this.#deliver(observer, { type: 'next', value: this.#value });
    if (this.#end) this.#deliver(observer, this.#end);
    return {
      unsubscribe: () => this.#drop(observer),
      get closed() {
        return observer.closed;
      },
    };
  }
}

/**
 * A value that changes over time. Subscribers get the current value at once,
 * then each change in order, then the end, if there is one; a late subscriber
 * of an ended observable gets its last value and the end.
 */
export class Observable<T> {
  readonly #source: Source<T>;

  /** @internal */
  constructor(source: Source<T>) {
    this.#source = source;
  }

  /** The current value; after the end, the last one. */
  get(): T {
    return this.#source.value;
  }

  /**
   * Calls `next` with the current value before it returns, and with each later
   * value in a microtask of its own burst. Exactly one of `error` and
   * `complete` follows if the observable ends. What a callback throws goes to
   * the page's error handler and disturbs nobody else.
   */
  subscribe(
    next?: (value: T) => void,
    error?: (error: EchospaceError) => void,
    complete?: () => void,
  ): Subscription {
    return this.#source.subscribe(next, error, complete);
  }

  /**
   * Resolves with the last value when the observable completes; rejects with
   * its error when it fails, or with TIMEOUT.
   *
   * @param options.timeout - limit in milliseconds; none by default.
   */
  wait(options: { timeout?: number } = {}): Promise<T> {
    const { timeout } = options;
    return new Promise<T>((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const subscription = this.subscribe(
        undefined,
        (error) => {
          clearTimeout(timer);
          reject(error);
        },
        () => {
          clearTimeout(timer);
          resolve(this.get());
        },
      );
      if (timeout === undefined || subscription.closed) return;
      timer = setTimeout(() => {
        subscription.unsubscribe();
        reject(new EchospaceError('TIMEOUT', `wait: still waiting after ${timeout} ms`));
      }, timeout);
    });
  }

  /** Iterates over the current value and each later one; ends, or throws, with the observable. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    const values: T[] = [];
    let end: { error?: EchospaceError } | undefined;
    let wake: (() => void) | undefined;
    const poke = () => wake?.();
    const subscription = this.subscribe(
      (value) => {
        values.push(value);
        poke();
      },
      (error) => {
        end = { error };
        poke();
      },
      () => {
        end = {};
        poke();
      },
    );
    try {
      for (;;) {
        while (values.length > 0) yield values.shift() as T;
        if (end?.error) throw end.error;
        if (end) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    } finally {
      subscription.unsubscribe();
    }
  }
}

/**
 * Observes the core with a handler that calls back into it. The core notifies
 * in the middle of its work, so the handler runs after that: at once for the
 * current value, in a microtask for a later one. Gives what ends it.
 */
export function observeOutside<T>(
  observe: (cb: (value: T) => void) => () => void,
  handler: (value: T) => void,
): () => void {
  const current: T[] = [];
  let started = false;
  let stopped = false;
  const stop = observe((value) => {
    if (!started) current.push(value);
    else queueMicrotask(() => !stopped && handler(value));
  });
  started = true;
  for (const value of current) handler(value);
  return () => {
    stopped = true;
    stop();
  };
}
