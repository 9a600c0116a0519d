import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Expando, idOf, isRemoved, type QueryResult, type Space } from '@echospace/client';
import { Core } from '../../src/db/core.js';
import { writeScalar } from '../../src/db/values.js';
import type { RawSpace } from '../../src/raw.js';
import type { Runtime } from '../../src/runtime.js';
import { Writer } from '../../src/wire.js';
import { makeSpace, settled } from './support.js';

interface Task {
  title: string;
  age?: number;
  done?: boolean;
  owner?: object;
  place?: { city: string };
}

describe('Database', () => {
  let space: Space;
  before(async () => {
    ({ space } = await makeSpace());
  });

  test('O01 add, read, change, remove, restore', async () => {
    const { db } = space;
    const task = db.add<Task>({ title: 'a' });
    assert.equal(db.get(task.id), task);
    task.title = 'b';
    task.place = { city: 'Bern' };
    task.place.city = 'Basel';
    await db.flush();
    assert.deepStrictEqual(db.get(task.id), { title: 'b', place: { city: 'Basel' } });
    db.remove(task);
    db.remove(task);
    assert.equal(db.get(task.id), undefined);
    assert.ok(isRemoved(task));
    db.restore(task);
    assert.equal(db.get(task.id), task);
    assert.deepStrictEqual(task, { title: 'b', place: { city: 'Basel' } });
    assert.equal(db.get('00'.repeat(16)), undefined);
    assert.equal(db.get('nonsense'), undefined);
  });

  test('O01 an Expando becomes live when it is added, once', () => {
    const { db } = space;
    const task = new Expando({ title: 'a' });
    assert.equal(db.add(task), task);
    assert.equal(db.add(task), task);
    task.title = 'b';
    assert.equal(db.get<Task>(idOf(task))?.title, 'b');
  });

  test('O03 what is referred to is added too, and removed objects are not given', () => {
    const { db } = space;
    const owner = new Expando<{ name: string; best?: object }>({ name: 'Ann' });
    const friend = new Expando<{ best: object }>({ best: owner });
    owner.best = friend;
    const task = db.add<Task>({ title: 'a', owner });
    assert.equal(task.owner, owner);
    assert.equal(db.get(idOf(friend)), friend);
    db.remove(owner);
    assert.equal(task.owner, undefined);
    assert.ok('owner' in task);
    db.restore(owner);
    assert.equal(task.owner, owner);
  });

  test('O03 S08 an object of another space is refused', async () => {
    const other = await makeSpace();
    const foreign = other.space.db.add({ a: 1 });
    const task = space.db.add<Task>({ title: 'a' });
    assert.throws(
      () => {
        task.owner = foreign;
      },
      { code: 'UNSUPPORTED_VALUE', path: 'owner' },
    );
    assert.throws(() => space.db.add(foreign), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => space.db.remove(foreign), { code: 'INVALID_ARGUMENT' });
  });

  test('O04 what is refused changes nothing', () => {
    const { db } = space;
    const count = db.query().objects.length;
    assert.throws(() => db.add({ a: new Expando({}), b: { list: [() => 1] } }), {
      code: 'UNSUPPORTED_VALUE',
    });
    assert.equal(db.query().objects.length, count);
  });

  test('O04 values come back from the core as they were', async () => {
    const { db } = space;
    const values = {
      zero: -0,
      nan: Number.NaN,
      inf: Number.POSITIVE_INFINITY,
      small: -1,
      large: Number.MAX_SAFE_INTEGER,
      over: 2 ** 60,
      tiny: 5e-324,
      big: -(2n ** 100n),
      emoji: '👩‍🚀',
      long: 'ü'.repeat(1 << 19),
      bytes: new Uint8Array(70_000).fill(3),
      date: new Date(-1),
      nothing: null,
      yes: true,
      map: { '': {}, 'z\u{10000}': 1, 'z\uffff': 2 },
    };
    const task = db.add(values);
    await db.flush();
    await space.close();
    await space.open();
    assert.deepStrictEqual({ ...db.get(task.id) }, { ...values, map: task.map });
    assert.deepStrictEqual(task.map, values.map);
  });

  test('O05 filters: equality, operators, combination, functions, removed ones', () => {
    const { db } = space;
    const kind = 'O05';
    const owner = db.add({ name: 'Ann' });
    for (let age = 0; age < 10; age++) {
      db.add({
        kind,
        age,
        even: age % 2 === 0,
        place: { city: age < 3 ? 'Bern' : 'Basel' },
        ...(age === 4 && { owner }),
      });
    }
    const ages = (filter: object, options = {}) =>
      db.query<{ age: number }>({ kind, ...filter } as object, options).objects.map(({ age }) => age);
    assert.deepEqual(ages({}), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(ages({ even: true }), [0, 2, 4, 6, 8]);
    assert.deepEqual(ages({ age: { $gt: 2, $lte: 5 } }), [3, 4, 5]);
    assert.deepEqual(ages({ age: { $in: [1, 9, 11] } }), [1, 9]);
    assert.deepEqual(ages({ age: { $in: [] } }), []);
    assert.deepEqual(ages({ place: { city: 'Bern' } }), [0, 1, 2]);
    assert.deepEqual(ages({ $or: [{ age: 1 }, { place: { city: 'Basel' }, even: true }] }), [1, 4, 6, 8]);
    assert.deepEqual(ages({ $not: { age: { $lt: 8 } } }), [8, 9]);
    assert.deepEqual(ages({ owner }), [4]);
    const odd = db.query<{ kind: string; age: number }>((o) => o.kind === kind && o.age % 2 === 1);
    assert.deepEqual(
      odd.objects.map(({ age }) => age),
      [1, 3, 5, 7, 9],
    );
    const seventh = odd.objects[3];
    assert.ok(seventh);
    db.remove(seventh);
    assert.deepEqual(
      odd.objects.map(({ age }) => age),
      [1, 3, 5, 9],
    );
    assert.deepEqual(ages({ age: { $gt: 5 } }), [6, 8, 9]);
    assert.deepEqual(ages({ age: { $gt: 5 } }, { deleted: 'show' }), [6, 7, 8, 9]);
    assert.deepEqual(ages({}, { deleted: 'only' }), [7]);
  });

  for (const [name, filter] of Object.entries({
    conditions: { kind: 'O06', done: false },
    'a function': (o: { kind?: string; done?: boolean }) => o.kind === 'O06' && o.done === false,
  })) {
    test(`O06 a live query by ${name}: first result at once, then one callback per burst`, async () => {
      const { db } = space;
      for (const old of db.query({ kind: 'O06' } as object).objects) db.remove(old);
      const first = db.add({ kind: 'O06', done: false, n: 1 });
      const results: QueryResult<{ n: number }>[] = [];
      const query = db.query<{ n: number; kind?: string; done?: boolean }>(filter);
      const stop = query.subscribe((result) => results.push(result));
      assert.deepEqual(numbers(results), [{ objects: [1], added: [1], changed: [], moved: [], removed: [] }]);

      const second = db.add({ kind: 'O06', done: false, n: 2 });
      const third = db.add({ kind: 'O06', done: true, n: 3 });
      first.n = 10;
      assert.equal(results.length, 1);
      assert.deepEqual(
        query.objects.map(({ n }) => n),
        [10, 2],
      );
      await settled();
      assert.deepEqual(numbers(results.slice(1)), [
        { objects: [10, 2], added: [2], changed: [10], moved: [], removed: [] },
      ]);

      third.done = false;
      second.done = true;
      await settled();
      assert.deepEqual(numbers(results.slice(2)), [
        { objects: [10, 3], added: [3], changed: [], moved: [], removed: [2] },
      ]);

      db.add({ kind: 'other', done: false });
      await settled();
      stop();
      stop();
      first.n = 11;
      await settled();
      assert.equal(results.length, 3);
      assert.deepEqual(
        query.objects.map(({ n }) => n),
        [11, 3],
      );
    });
  }

  test('results are frozen snapshots', () => {
    const query = space.db.query<Task>();
    const before = query.objects;
    const { length } = before;
    space.db.add<Task>({ title: 'more' });
    assert.equal(before.length, length);
    assert.equal(query.objects.length, length + 1);
    assert.throws(() => (before as unknown[]).push(1), TypeError);
  });

  test('O05 O06 a sorted query and a window of it, by conditions and by a function', async () => {
    const { client, space: own } = await makeSpace();
    const { db } = own;
    const names = ['delta', 'alpha', 'echo', 'bravo', 'charlie'];
    const objects = names.map((name, n) => db.add<{ name: string; n: number }>({ name, n }));
    await settled();
    const named = (list: readonly { name: string }[]) => list.map(({ name }) => name[0]).join('');
    assert.equal(named(db.query<{ name: string; n: number }>({}, { order: 'name' }).objects), 'abcde');
    const options = { order: [{ by: 'name', descending: true }, 'n'], offset: 1, limit: 2 };
    for (const filter of [{ n: { $gte: 0 } }, ({ n }: { n: number }) => n >= 0]) {
      const query = db.query<{ name: string; n: number }>(filter, options);
      assert.equal(named(query.objects), 'dc');
      const told: string[] = [];
      const stop = query.subscribe((r) =>
        told.push([r.objects, r.added, r.changed, r.removed].map(named).join(' ')),
      );
      const [delta, alpha, echo] = objects;
      assert.ok(delta && alpha && echo);
      alpha.name = 'dd';
      await settled();
      delta.name = 'delta!';
      await settled();
      alpha.n = 7;
      await settled();
      db.remove(echo);
      await settled();
      alpha.name = 'alpha';
      delta.name = 'delta';
      await settled();
      db.restore(echo);
      await settled();
      assert.equal(told[0], 'dc dc  ', 'the first result');
      assert.deepEqual(told.slice(1), ['dd d  c', 'dd  d ', 'dd  d ', 'dc c  d', 'cb b  a', 'dc d  b']);
      stop();
      alpha.n = 1;
    }
    assert.throws(() => db.query({}, { limit: 0 }), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => db.query({}, { offset: 0.5 }), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => db.query({}, { order: [{ by: [] }] }), { code: 'INVALID_ARGUMENT' });
    db.add<{ name: string; tags: string[] }>({ name: 'foxtrot', tags: ['new', 'old'] });
    assert.equal(named(db.query<{ name: string }>({ name: { $prefix: 'fox' } }).objects), 'f');
    assert.equal(
      named(db.query<{ name: string }>({ name: { $contains: 'h' } }, { order: 'name' }).objects),
      'ace',
    );
    assert.equal(db.query<{ tags: string[] }>({ tags: { $contains: 'old' } }).objects.length, 1);
    await client.destroy();
  });

  test('O11 a transaction that throws takes everything back', () => {
    const { db } = space;
    const task = db.add<Task>({ title: 'a', place: { city: 'Bern' } });
    const { place } = task;
    const count = db.query().objects.length;
    assert.throws(
      () =>
        db.transact(() => {
          task.title = 'b';
          delete task.place;
          task.owner = new Expando({});
          db.add({ title: 'new' });
          db.remove(task);
          throw new RangeError('changed my mind');
        }),
      RangeError,
    );
    assert.deepStrictEqual(task, { title: 'a', place: { city: 'Bern' } });
    assert.equal(task.place, place);
    assert.ok(!isRemoved(task));
    assert.equal(db.query().objects.length, count);
    task.title = 'c';
    assert.equal(db.get<Task>(task.id)?.title, 'c');
  });

  test('O11 transactions: result, nesting, promises refused', () => {
    const { db } = space;
    const task = db.add<Task>({ title: 'a' });
    const result = db.transact(() => {
      task.title = 'b';
      assert.throws(() =>
        db.transact(() => {
          task.title = 'c';
          throw new Error('inner');
        }),
      );
      assert.equal(task.title, 'b');
      task.age = 1;
      return 7;
    });
    assert.equal(result, 7);
    assert.deepStrictEqual(task, { title: 'b', age: 1 });
    assert.throws(
      () =>
        db.transact(async () => {
          task.title = 'd';
        }),
      { code: 'INVALID_ARGUMENT' },
    );
    assert.equal(task.title, 'b');
  });

  test('S07 properties are a live object that can be observed', async () => {
    let calls = 0;
    const stop = space.db.observe(space.properties, () => calls++);
    space.properties.name = 'Home';
    space.properties.color = { hue: 1 };
    assert.equal(calls, 0);
    await settled();
    assert.equal(calls, 1);
    stop();
    stop();
    space.properties.name = 'Office';
    await settled();
    assert.equal(calls, 1);
    assert.equal(space.properties.id, `${'00'.repeat(15)}01`);
  });

  test('many objects: added, read back, counted', async () => {
    const { space: roomy } = await makeSpace();
    roomy.db.transact(() => {
      for (let n = 0; n < 5000; n++) roomy.db.add({ n, text: `object ${n}` });
    });
    await roomy.db.flush();
    await roomy.close();
    await roomy.open();
    const { objects } = roomy.db.query<{ n: number; text: string }>();
    assert.equal(objects.length, 5000);
    assert.ok(objects.every(({ n, text }, i) => n === i && text === `object ${i}`));
  });

  test('O09 what was set concurrently is read as the core gives it, deletions too', () => {
    const object = space.db.add({ title: 'a' });
    assert.deepEqual(space.db.conflicts(object, 'title'), []);
    const writes: ((w: Writer) => void)[] = [
      (w) => w.str('winner'),
      () => undefined,
      (w) => writeScalar(w, 7n),
    ];
    const encoded = new Writer();
    encoded.array(writes.length);
    for (const write of writes) {
      const value = new Writer();
      write(value);
      encoded.bin(value.bytes);
    }
    // Conflicts need a second person, whom only the browser tests have.
    const runtime = { changes: () => undefined, conflicts: () => encoded.bytes } as unknown as Runtime;
    const raw = { handle: 1 } as RawSpace;
    const core = new Core({ runtime, raw, isOpen: true, mayWrite: true });
    const there = core.properties.proxy;
    assert.deepEqual(core.conflicts(there, 'title'), ['winner', undefined, 7n]);
  });

  test('S11 a closed space refuses with SPACE_CLOSED and works again when it is open', async () => {
    const { db } = space;
    const task = db.add<Task>({ title: 'kept' });
    const results: number[] = [];
    const stop = db.query({ title: 'kept' }).subscribe(({ objects }) => results.push(objects.length));
    await space.close();
    await space.close();
    assert.equal(space.isOpen, false);
    for (const use of [
      () => db.add({}),
      () => db.query().objects,
      () => db.get(task.id),
      () => db.transact(() => 1),
      () => {
        task.title = 'lost';
      },
    ]) {
      assert.throws(use, { code: 'SPACE_CLOSED' });
    }
    await assert.rejects(db.flush(), { code: 'SPACE_CLOSED' });
    assert.equal(task.title, 'kept');
    await space.open();
    await space.waitUntilReady();
    assert.equal(db.get<Task>(task.id), task);
    db.add({ title: 'kept' });
    while (results.at(-1) !== 2) await settled(); // how long it takes to be told depends on the machine
    stop();
  });
});

function numbers(results: QueryResult<{ n: number }>[]): Record<string, number[]>[] {
  return results.map((result) =>
    Object.fromEntries(
      Object.entries(result).map(([key, list]) => [key, list.map(({ n }: { n: number }) => n)]),
    ),
  );
}
