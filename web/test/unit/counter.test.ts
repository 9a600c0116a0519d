import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Counter, Expando } from '@echospace/client';
import { makeSpace, settled } from './support.js';

interface Poll {
  question: string;
  yes: Counter;
  nested: { no: Counter };
}

describe('Counter', () => {
  const poll = () => ({ question: 'Tea?', yes: new Counter(3), nested: { no: new Counter() } });

  test('O08 counts in memory, in an Expando, and in a database', async () => {
    const alone = new Counter();
    alone.increment();
    alone.increment(4);
    alone.decrement(2);
    assert.equal(alone.value, 3);
    assert.equal(Number(alone), 3);
    assert.equal(`${alone}`, '3');

    const expando = new Expando<Poll>(poll());
    expando.yes.increment(2);
    assert.equal(expando.yes.value, 5);
    const { client, space } = await makeSpace();
    space.db.add(expando);
    expando.yes.increment();
    expando.nested.no.decrement(7);
    assert.equal(JSON.stringify(expando), '{"question":"Tea?","yes":6,"nested":{"no":-7}}');
    await space.db.flush();
    await space.close();
    await space.open();
    const read = space.db.query<Poll>({ question: 'Tea?' }).objects[0];
    assert.equal(read?.yes.value, 6);
    assert.equal(read?.nested.no.value, -7);
    read?.yes.increment();
    assert.equal(space.db.query<Poll>({ yes: 7 }).objects.length, 1); // in a query it is a number
    assert.equal(space.db.query<Poll>({ yes: { $gt: 7 } }).objects.length, 0);
    await client.destroy();
  });

  test('a counter keeps what was given; given again it is copied', async () => {
    const { client, space } = await makeSpace();
    const counter = new Counter(1);
    const a = space.db.add<{ n: Counter }>({ n: counter });
    counter.increment();
    assert.equal(a.n, counter);
    const b = space.db.add<{ n: Counter }>({ n: counter });
    b.n.increment(10);
    assert.deepEqual([a.n.value, b.n.value], [2, 12]);
    a.n = new Counter(100);
    assert.throws(() => counter.increment(), { code: 'NOT_FOUND' });
    assert.equal(a.n.value, 100);
    await client.destroy();
  });

  test('what is no whole number is refused, and nothing is added', async () => {
    for (const bad of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1' as unknown as number]) {
      assert.throws(() => new Counter(bad), { code: 'INVALID_ARGUMENT' });
      const counter = new Counter(2);
      assert.throws(() => counter.increment(bad), { code: 'INVALID_ARGUMENT' });
      assert.equal(counter.value, 2);
    }
    const { client: own, space: other } = await makeSpace();
    const zero = other.db.add<{ n: Counter; title: string }>({ n: new Counter(-0), title: 'before' });
    zero.n.decrement(0);
    zero.n.increment(-0);
    zero.title = 'after';
    await other.db.flush();
    assert.deepEqual([zero.n.value, zero.title], [0, 'after']);
    await own.destroy();
    const full = new Counter(Number.MAX_SAFE_INTEGER);
    assert.throws(() => full.increment(), { code: 'TOO_LARGE' });
    const { client, space } = await makeSpace();
    const a = space.db.add<{ n: Counter }>({ n: new Counter(5) });
    await space.close();
    assert.throws(() => a.n.increment(), { code: 'SPACE_CLOSED' });
    assert.equal(a.n.value, 5);
    await client.destroy();
  });

  test('O11 a transaction that throws takes its additions back', async () => {
    const { client, space } = await makeSpace();
    const a = space.db.add<{ n: Counter }>({ n: new Counter(5) });
    assert.throws(() =>
      space.db.transact(() => {
        a.n.increment(3);
        throw new Error('no');
      }),
    );
    assert.equal(a.n.value, 5);
    await settled();
    await space.db.flush();
    await space.close();
    await space.open();
    assert.equal(space.db.query<{ n: Counter }>().objects[0]?.n.value, 5);
    await client.destroy();
  });
});
