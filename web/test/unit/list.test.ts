import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Counter, Expando, moveItem, type Space, Text } from '@echospace/client';
import { makeSpace, settled } from './support.js';

interface Item {
  title: string;
  done?: boolean;
}

interface Board {
  name: string;
  tags: string[];
  items: Item[];
}

const board = (): Board => ({
  name: 'Board',
  tags: ['a', 'b', 'c'],
  items: [{ title: 'one' }, { title: 'two' }],
});

/** What the core holds, read anew. */
async function stored(space: Space): Promise<unknown> {
  await space.db.flush();
  await space.close();
  await space.open();
  return JSON.parse(JSON.stringify(space.db.query<Board>({ name: 'Board' }).objects[0]));
}

describe('Lists', () => {
  test('O02 O14 a list looks like an array: in memory, in an Expando, in a database', async () => {
    const expando = new Expando<Board>(board());
    const { client, space } = await makeSpace();
    for (const live of [expando, space.db.add<Board>(board())]) {
      assert.ok(Array.isArray(live.tags));
      assert.deepEqual([...live.tags], ['a', 'b', 'c']);
      assert.deepStrictEqual(live.tags, ['a', 'b', 'c']);
      assert.equal(live.tags.length, 3);
      assert.equal(live.tags.indexOf('b'), 1);
      assert.equal(live.tags.at(-1), 'c');
      assert.ok(live.tags.includes('c'));
      assert.ok(2 in live.tags && !(3 in live.tags));
      assert.deepEqual(Object.keys(live.tags), ['0', '1', '2']);
      assert.deepEqual(
        live.tags.map((tag) => tag.toUpperCase()),
        ['A', 'B', 'C'],
      );
      assert.deepEqual(live.tags.concat(['d']).slice(1), ['b', 'c', 'd']);
      assert.equal(live.items[1], live.items[1]);
      assert.equal(JSON.stringify(live), JSON.stringify(board()));
      assert.equal(String(live.tags), 'a,b,c');
    }
    space.db.add(expando);
    expando.tags.push('d');
    assert.equal(expando.tags.length, 4);
    await client.destroy();
  });

  test('O02 every method that changes an array does to a list what it does to the array', async () => {
    const { client, space } = await makeSpace();
    const edits: Record<string, (tags: string[]) => unknown> = {
      push: (tags) => tags.push('x', 'y'),
      pop: (tags) => tags.pop(),
      shift: (tags) => tags.shift(),
      unshift: (tags) => tags.unshift('x', 'y'),
      'splice in the middle': (tags) => tags.splice(1, 1, 'x', 'y', 'z'),
      'splice from the end': (tags) => tags.splice(-2, 1),
      'splice to the end': (tags) => tags.splice(1),
      'splice of nothing': (tags) => (tags.splice as () => string[])(),
      'splice beyond the end': (tags) => tags.splice(9, 9, 'x'),
      sort: (tags) => [...tags.sort((a, b) => (a < b ? 1 : -1))],
      'sort by text': (tags) => {
        tags.push('B', 'aa');
        return [...tags.sort()];
      },
      reverse: (tags) => [...tags.reverse()],
      fill: (tags) => [...tags.fill('x', 1, -1)],
      'an item': (tags) => {
        tags[1] = 'x';
      },
      'an item behind the last': (tags) => {
        tags[3] = 'x';
      },
      length: (tags) => {
        tags.length = 1;
      },
      'no length': (tags) => {
        tags.length = 0;
      },
    };
    for (const [name, edit] of Object.entries(edits)) {
      const plain = ['a', 'b', 'c'];
      const live = space.db.add<Board>({ ...board(), tags: plain });
      assert.deepEqual(edit(live.tags), edit(plain), `${name}: what it gives`);
      assert.deepStrictEqual(live.tags, plain, name);
      assert.deepEqual(await stored(space), { ...board(), tags: plain }, `${name}: what is stored`);
      space.db.remove(live);
    }
    await client.destroy();
  });

  test('maps, lists, texts, counters and references in a list', async () => {
    const { client, space } = await makeSpace();
    const other = new Expando({ name: 'other' });
    interface Mixed {
      name: string;
      list: [Item, number[][], Text, Counter, typeof other, Date];
    }
    const live = space.db.add<Mixed>({
      name: 'Board',
      list: [{ title: 'one' }, [[1], []], new Text('text'), new Counter(3), other, new Date(5)],
    });
    live.list[0].title = 'ONE';
    live.list[1][0]?.push(2);
    live.list[1].push([3]);
    live.list[2].append('!');
    live.list[3].increment(4);
    other.name = 'OTHER';
    const first = live.list[0];
    moveItem(live.list, 0, 3);
    first.done = true;
    (live.list as unknown[]).unshift('before');
    first.title = 'still it';
    const want = [
      'before',
      [[1, 2], [], [3]],
      'text!',
      7,
      { title: 'still it', done: true },
      { name: 'OTHER' },
      new Date(5).toISOString(),
    ];
    assert.deepEqual(JSON.parse(JSON.stringify(live.list)), want);
    assert.deepEqual(await stored(space), { name: 'Board', list: want });
    assert.equal((live.list as unknown[])[4], first);
    first.title = 'after reopening';
    assert.equal(((await stored(space)) as { list: Item[] }).list[4]?.title, 'after reopening');
    (live.list as unknown[]).splice(4, 1);
    assert.throws(
      () => {
        first.title = 'gone';
      },
      { code: 'NOT_FOUND' },
    );
    await client.destroy();
  });

  test('O04 what no list can hold is refused by name, and nothing is changed', async () => {
    const { client, space } = await makeSpace();
    const live = space.db.add<Board>(board());
    const tags = live.tags as unknown[];
    const cases: Record<string, () => unknown> = {
      'a function': () => tags.push('x', () => 1),
      undefined: () => tags.splice(0, 1, undefined),
      'a hole': () => {
        tags[5] = 'x';
      },
      'a longer list': () => {
        tags.length = 9;
      },
      'a property': () => {
        (tags as unknown as Record<string, unknown>).extra = 1;
      },
      'delete of an item': () => delete tags[0],
      copyWithin: () => tags.copyWithin(0, 1),
      'an array with a hole': () => {
        const holes: string[] = [];
        holes[1] = 'x';
        tags.push(holes);
      },
    };
    for (const [name, edit] of Object.entries(cases)) {
      assert.throws(edit, { code: 'UNSUPPORTED_VALUE' }, name);
      assert.deepStrictEqual(live, board(), name);
    }
    assert.throws(() => moveItem(live.tags, 0, 3), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => moveItem(['a'], 0, 0), { code: 'INVALID_ARGUMENT' });
    assert.deepEqual(await stored(space), board());
    await client.destroy();
  });

  test('O11 a transaction takes its edits of lists back', async () => {
    const { client, space } = await makeSpace();
    const live = space.db.add<Board>(board());
    const before = live.items[0] as Item;
    const fails = () =>
      space.db.transact(() => {
        live.tags.sort(() => -1);
        live.tags.splice(0, 2, 'x', 'y', 'z');
        live.items.push({ title: 'three' });
        moveItem(live.items, 0, 2);
        before.title = 'changed';
        live.items[0] = { title: 'set' };
        throw new Error('no');
      });
    assert.throws(fails, /no/);
    assert.throws(fails, /no/);
    assert.deepStrictEqual(live, board());
    before.done = true;
    live.items.push({ title: 'three' });
    (live.items[2] as Item).title = 'THREE';
    assert.deepEqual(await stored(space), {
      ...board(),
      items: [{ title: 'one', done: true }, { title: 'two' }, { title: 'THREE' }],
    });
    await client.destroy();
  });

  test('what callers hold of an item stays it, when others move items and add some', async () => {
    const { client, space } = await makeSpace();
    const live = space.db.add<Board>(board());
    live.items.push({ title: 'three' }, { title: 'four' });
    const [one, two, three, four] = live.items as [Item, Item, Item, Item];
    await settled();
    // The record of a block of another page comes with numbers: reading it anew is the same.
    await stored(space);
    assert.deepEqual([...live.items], [one, two, three, four]);
    assert.equal(live.items[2], three);
    four.title = 'FOUR';
    assert.equal(JSON.stringify(live.items[3]), '{"title":"FOUR"}');
    await client.destroy();
  });

  test('sorting moves only what must move', async () => {
    const { client, space } = await makeSpace();
    const live = space.db.add<{ n: number[] }>({ n: [9, 1, 2, 3, 4, 5, 6, 0, 7, 8] });
    live.n.sort((a, b) => a - b);
    assert.deepStrictEqual(live.n, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const many = space.db.add<{ n: number[] }>({
      n: Array.from({ length: 300 }, (_, i) => (i * 7919) % 300),
    });
    many.n.sort((a, b) => a - b);
    assert.deepStrictEqual(
      many.n,
      Array.from({ length: 300 }, (_, i) => i),
    );
    many.n.push(...Array.from({ length: 20_000 }, (_, i) => 300 + i));
    assert.equal(many.n.length, 20_300);
    await space.db.flush();
    await space.close();
    await space.open();
    assert.deepStrictEqual(live.n, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(many.n.at(-1), 20_299);
    await client.destroy();
  });
});
