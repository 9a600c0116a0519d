import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Expando } from '../../src/db/expando.js';
import { idOf, isLive } from '../../src/db/live.js';

const sample = () => ({
  title: 'Water the plants 🌱',
  done: false,
  count: 3,
  ratio: -0.5,
  nothing: null,
  big: 2n ** 80n,
  due: new Date(1_700_000_000_000),
  data: Uint8Array.of(1, 2, 3),
  place: { city: 'Bern', geo: { lat: 46.9, lon: 7.4 } },
});

describe('live objects look like plain ones', () => {
  test('O14 structured equality, keys, `in`, spread, toString', () => {
    const live = new Expando(sample());
    assert.deepStrictEqual(live, sample());
    assert.deepEqual(Object.keys(live), Object.keys(sample()));
    assert.deepStrictEqual({ ...live }, { ...sample(), place: live.place });
    assert.deepEqual(Object.entries(live.place), Object.entries(sample().place));
    assert.deepEqual(
      ['title', 'other', 'id'].map((name) => name in live),
      [true, false, false],
    );
    assert.equal(`${live}`, '[object Object]');
    assert.equal(Object.getPrototypeOf(live), Object.prototype);
    const names: string[] = [];
    for (const name in live.place) names.push(name);
    assert.deepEqual(names, ['city', 'geo']);
  });

  test('O13 JSON is that of what was put in', () => {
    const { big, ...rest } = sample();
    assert.equal(JSON.stringify(new Expando(rest)), JSON.stringify(rest));
  });

  test('O14 the id is there and hidden, and gives way to a property of that name', () => {
    const live = new Expando({ a: 1 });
    assert.match(live.id, /^[0-9a-f]{32}$/);
    assert.equal(idOf(live), live.id);
    const own = new Expando({ id: 'mine' });
    assert.equal(own.id, 'mine');
    assert.notEqual(idOf(own), 'mine');
    assert.deepEqual(Object.keys(own), ['id']);
  });

  test('instanceof Expando and isLive', () => {
    const live = new Expando({ nested: {} });
    assert.ok(live instanceof Expando && isLive(live));
    assert.ok(!isLive({}) && !isLive(null) && !isLive(live.nested));
  });

  test('O14 what inherits from a live object, or passes its traps on, is none', () => {
    const live = new Expando({ a: 1 });
    const heir: { a: number } = Object.create(live);
    const wrapped = new Proxy(live, { get: (target, key, receiver) => Reflect.get(target, key, receiver) });
    assert.deepEqual(
      [heir, wrapped].map((object) => [object.a, isLive(object)]),
      [
        [1, false],
        [1, false],
      ],
    );
    assert.ok(!Reflect.ownKeys(live).some((key) => typeof key === 'symbol'));
  });
});

describe('live objects hold their values', () => {
  test('O01 set, change and delete, nested too', () => {
    const live = new Expando<Record<string, unknown>>({ a: 1, deep: { x: { y: 1 } } });
    live.a = 2;
    live.b = 'new';
    (live.deep as { x: Record<string, unknown> }).x.z = true;
    delete live.a;
    delete live.missing;
    assert.deepStrictEqual(live, { deep: { x: { y: 1, z: true } }, b: 'new' });
  });

  test('a plain object is copied, and its live copy is the same at each read', () => {
    const from = { nested: { a: 1 } };
    const live = new Expando(from);
    from.nested.a = 2;
    assert.equal(live.nested.a, 1);
    assert.equal(live.nested, live.nested);
  });

  test('O04 -0, NaN, infinities, emoji and empty values are kept', () => {
    const values = {
      zero: -0,
      nan: Number.NaN,
      inf: -Infinity,
      emoji: '👩‍🚀',
      empty: '',
      none: {},
      '': 1,
      __proto__x: 1,
    };
    assert.deepStrictEqual(new Expando(values), values);
  });

  test('O04 a property called __proto__ is a property', () => {
    const live = new Expando(JSON.parse('{"__proto__":{"a":1},"constructor":2}')) as Record<string, unknown>;
    assert.deepEqual(Object.keys(live), ['__proto__', 'constructor']);
    assert.equal(Object.getPrototypeOf(live), Object.prototype);
    assert.equal(JSON.stringify(live), '{"__proto__":{"a":1},"constructor":2}');
  });

  test('O04 dates and bytes cannot be changed past the database', () => {
    const live = new Expando(sample());
    live.due.setTime(0);
    live.data[0] = 9;
    assert.deepStrictEqual(live, sample());
    const date = new Date(5);
    live.due = date;
    date.setTime(6);
    assert.equal(live.due.getTime(), 5);
  });

  test('O03 an object that is assigned is referred to', () => {
    const owner = new Expando({ name: 'Ann' });
    const task = new Expando({ owner, list: { first: owner } });
    assert.equal(task.owner, owner);
    assert.equal(task.list.first, owner);
    owner.name = 'Bea';
    assert.equal(task.owner.name, 'Bea');
    const loop = new Expando<Record<string, unknown>>({});
    loop.self = loop;
    assert.equal(loop.self, loop);
  });

  test('a nested map that was replaced is no longer written through', () => {
    const live = new Expando<{ nested: { a: number } }>({ nested: { a: 1 } });
    const old = live.nested;
    live.nested = { a: 2 };
    assert.throws(
      () => {
        old.a = 3;
      },
      { code: 'NOT_FOUND' },
    );
    assert.equal(live.nested.a, 2);
    const current = live.nested;
    live.nested = current;
    assert.deepStrictEqual(live, { nested: { a: 2 } });
  });
});

describe('O04 what cannot be held is refused by name', () => {
  const cycle: Record<string, unknown> = { inner: {} };
  (cycle.inner as Record<string, unknown>).outer = cycle;
  let deep: Record<string, unknown> = {};
  for (let i = 0; i < 40; i++) deep = { deep };
  class Task {}
  const values: Record<string, unknown> = {
    undefined: undefined,
    'array with a hole': new Array(2),
    'array with a property': Object.assign([1], { extra: 1 }),
    'array that holds undefined': [1, undefined],
    function: () => 1,
    symbol: Symbol('s'),
    cycle,
    'lone surrogate': 'a\ud800b',
    'lone surrogate as name': { 'a\udc00': 1 },
    'invalid date': new Date(Number.NaN),
    'class instance': new Task(),
    map: new Map(),
    'other typed array': new Uint16Array(2),
    'boxed string': Object('text'),
    'too deep': deep,
    'symbol as name': { [Symbol('s')]: 1 },
  };
  for (const [name, value] of Object.entries(values)) {
    test(name, () => {
      const live = new Expando<Record<string, unknown>>({ a: { b: 1 } });
      const nested = live.a as Record<string, unknown>;
      const refusal = (error: { code?: string; path?: string }) =>
        error.code === 'UNSUPPORTED_VALUE' && (error.path ?? '').startsWith('a.v');
      assert.throws(() => {
        nested.v = value;
      }, refusal);
      assert.throws(() => {
        nested.b = { v: value };
      }, /a\.b\.v/);
      assert.deepStrictEqual(live, { a: { b: 1 } });
    });
  }

  test('names over 1 KiB and strings over 16 MiB', () => {
    const live = new Expando<Record<string, unknown>>({});
    assert.throws(
      () => {
        live['é'.repeat(513)] = 1;
      },
      { code: 'TOO_LARGE' },
    );
    assert.throws(
      () => {
        live.text = 'x'.repeat((16 << 20) + 1);
      },
      { code: 'TOO_LARGE' },
    );
    live['é'.repeat(512)] = 'y'.repeat(16 << 20);
    assert.equal(Object.keys(live).length, 1);
  });

  test('accessors, hidden properties and other prototypes', () => {
    const live = new Expando<Record<string, unknown>>({ a: 1 });
    assert.throws(() => Object.defineProperty(live, 'b', { get: () => 1 }), { code: 'UNSUPPORTED_VALUE' });
    assert.throws(() => Object.defineProperty(live, 'b', { value: 1, enumerable: false }), {
      code: 'UNSUPPORTED_VALUE',
    });
    assert.throws(() => Object.setPrototypeOf(live, null), TypeError);
    assert.throws(() => Object.freeze(live), TypeError);
    Object.defineProperty(live, 'c', { value: 2, enumerable: true, writable: true, configurable: true });
    assert.deepStrictEqual(live, { a: 1, c: 2 });
  });
});
