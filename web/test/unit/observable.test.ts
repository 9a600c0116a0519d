import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EchospaceError } from '../../src/errors.js';
import { Observable, observeOutside, Source } from '../../src/observable.js';

function make<T>(initial: T): { source: Source<T>; observable: Observable<T> } {
  const source = new Source(initial);
  return { source, observable: new Observable(source) };
}

/** Lets all microtasks run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('Observable', () => {
  test('C11 gives its value at once, then each change in order', async () => {
    const { source, observable } = make(1);
    const seen: number[] = [];
    observable.subscribe((value) => seen.push(value));
    assert.deepEqual(seen, [1]);
    source.next(2);
    source.next(3);
    assert.equal(observable.get(), 3);
    assert.deepEqual(seen, [1]);
    await settled();
    assert.deepEqual(seen, [1, 2, 3]);
  });

  test('C11 gives nothing after unsubscribe, not even what was under way', async () => {
    const { source, observable } = make(1);
    const seen: number[] = [];
    const subscription = observable.subscribe((value) => seen.push(value));
    source.next(2);
    subscription.unsubscribe();
    subscription.unsubscribe();
    source.next(3);
    await settled();
    assert.deepEqual(seen, [1]);
    assert.ok(subscription.closed);
  });

  test('C11 a late subscriber learns the end', async () => {
    const { source, observable } = make(1);
    source.next(2);
    source.complete();
    source.next(3);
    source.error(new EchospaceError('TIMEOUT', 'too late'));
    const seen: unknown[] = [];
    const subscription = observable.subscribe(
      (value) => seen.push(value),
      () => seen.push('error'),
      () => seen.push('complete'),
    );
    assert.deepEqual(seen, [2, 'complete']);
    assert.ok(subscription.closed);

    const failed = make(1);
    failed.source.error(new EchospaceError('TIMEOUT', 'over'));
    failed.observable.subscribe(undefined, (error) => seen.push(error.code));
    assert.deepEqual(seen, [2, 'complete', 'TIMEOUT']);
  });

  test('a subscriber that comes between gets no change twice', async () => {
    const { source, observable } = make(1);
    observable.subscribe(() => undefined);
    source.next(2);
    const seen: number[] = [];
    observable.subscribe((value) => seen.push(value));
    source.next(3);
    await settled();
    assert.deepEqual(seen, [2, 3]);
  });

  test('changes made by a subscriber follow in order', async () => {
    const { source, observable } = make(0);
    const seen: number[] = [];
    observable.subscribe((value) => {
      if (value === 1) source.next(2);
    });
    observable.subscribe((value) => seen.push(value));
    source.next(1);
    await settled();
    assert.deepEqual(seen, [0, 1, 2]);
  });

  test('C12 wait resolves with the last value, rejects with the error, and on timeout', async () => {
    const good = make(1);
    const waiting = good.observable.wait({ timeout: 60_000 });
    good.source.next(2);
    good.source.complete();
    assert.equal(await waiting, 2);
    assert.equal(await good.observable.wait(), 2);

    const bad = make(1);
    bad.source.error(new EchospaceError('CANCELLED', 'over'));
    await assert.rejects(bad.observable.wait(), { code: 'CANCELLED' });
    await assert.rejects(make(1).observable.wait({ timeout: 1 }), { code: 'TIMEOUT' });
  });

  test('iterates over the values and ends with it', async () => {
    const { source, observable } = make(1);
    const seen: number[] = [];
    const all = (async () => {
      for await (const value of observable) seen.push(value);
    })();
    await settled();
    source.next(2);
    await settled();
    source.next(3);
    source.complete();
    await all;
    assert.deepEqual(seen, [1, 2, 3]);
  });

  test('iteration throws the error, and stops listening when it is left', async () => {
    const { source, observable } = make(1);
    for await (const value of observable) {
      assert.equal(value, 1);
      break;
    }
    const failing = (async () => {
      for await (const _ of observable);
    })();
    source.error(new EchospaceError('CLOSED', 'over'));
    await assert.rejects(failing, { code: 'CLOSED' });
  });
});

test('observeOutside handles the current value at once and later ones outside of the call', async () => {
  const seen: string[] = [];
  let notify = (_: string) => {};
  const stop = observeOutside<string>(
    (cb) => {
      notify = cb;
      cb('current');
      seen.push('registered');
      return () => seen.push('stopped');
    },
    (value) => seen.push(value),
  );
  assert.deepEqual(seen, ['registered', 'current']);
  notify('later');
  assert.equal(seen.length, 2);
  await settled();
  notify('lost');
  stop();
  await settled();
  assert.deepEqual(seen, ['registered', 'current', 'later', 'stopped']);
});
