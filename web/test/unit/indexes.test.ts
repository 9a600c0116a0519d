import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Client,
  type Database,
  Expando,
  moveItem,
  type QueryResult,
  type Space,
  Text,
} from '@echospace/client';
import { foundIn } from '../../src/db/words.js';
import { makeSpace, settled } from './support.js';

interface Note {
  title: string;
  rank: number;
  tags: string[];
  body?: Text;
  about?: object[];
}

let client: Client;
let space: Space;
let db: Database;

before(async () => {
  ({ client, space } = await makeSpace());
  ({ db } = space);
});

after(() => client.destroy());

/** Adds notes to a database of their own. */
async function notes(count: number) {
  const { db } = await client.createSpace();
  const list = db.transact(() =>
    Array.from({ length: count }, (_, i) =>
      db.add<Note>({ title: `note ${i}`, rank: i, tags: [`t${i % 50}`, 'all'] }),
    ),
  );
  return { db, list };
}

describe('O05 indexes', () => {
  test('O05 an index that is asked for often is made, and does not change results', async () => {
    const { db } = await notes(3000);
    const query = () => db.query<Note>({ rank: { $gte: 100, $lt: 105 } });
    const first = query().objects.map((note) => note.title);
    assert.equal(query().explain().plan, 'scan');
    for (let i = 0; i < 4; i++) query().count;
    const plan = query().explain();
    assert.deepEqual(
      { ...plan },
      {
        plan: 'index',
        indexes: [{ name: 'rank', declared: false }],
        examined: 5,
        matched: 5,
        ordered: false,
        live: false,
      },
    );
    assert.deepEqual(
      query().objects.map((note) => note.title),
      first,
    );
  });

  test('O05 a declared index is filled in the background, kept over close and open, and dropped', async () => {
    const { db } = await notes(500);
    const plan = () => db.query<Note>({}, { order: { by: 'rank', descending: true }, limit: 3 }).explain();
    assert.equal(plan().plan, 'scan');
    void db.createIndex({ by: 'rank', descending: true });
    await db.createIndex({ by: 'rank', descending: true });
    const { indexes, examined, ordered } = plan();
    assert.deepEqual([indexes, examined, ordered], [[{ name: 'rank descending', declared: true }], 3, true]);
    db.dropIndex({ by: 'rank', descending: true });
    assert.equal(plan().plan, 'scan');
  });

  test('O05 an index outlives closing the space', async () => {
    const other = await client.createSpace();
    await other.db.createIndex('rank');
    other.db.transact(() => {
      for (let i = 0; i < 100; i++) other.db.add({ rank: i });
    });
    await other.db.flush();
    const filled = other.db.createIndex('title');
    await other.close();
    await filled;
    await other.open();
    assert.deepEqual(other.db.query({ rank: 7 }).explain().indexes, [{ name: 'rank', declared: true }]);
  });

  test('O05 items of lists are found by an index', async () => {
    const { db } = await notes(500);
    await db.createIndex({ items: 'tags' });
    const query = db.query<Note>({ tags: { $contains: 't7' } });
    assert.deepEqual(
      query.objects.map((note) => note.rank),
      [7, 57, 107, 157, 207, 257, 307, 357, 407, 457],
    );
    assert.deepEqual(query.explain().indexes, [{ name: 'items: tags', declared: true }]);
  });

  const refused: Record<string, unknown> = {
    nothing: [],
    'an empty path': { by: [] },
    'a search of a string': { search: 'title' },
    'a number': 7,
  };
  for (const [name, definition] of Object.entries(refused)) {
    test(`O05 an index over ${name} is refused`, () => {
      assert.throws(() => db.createIndex(definition as string), { code: 'INVALID_ARGUMENT' });
    });
  }
});

describe('O05 count', () => {
  test('O05 counts what meets the conditions, whatever the limit, and keeps up', async () => {
    const { db, list } = await notes(30);
    const query = db.query<Note>({ rank: { $lt: 10 } }, { limit: 3 });
    assert.equal(query.count, 10);
    assert.equal(db.query().count, 30);
    const odd = db.query<Note>((note) => note.rank % 2 === 1);
    assert.equal(odd.count, 15);
    (list[0] as Note).rank = 99;
    assert.equal(query.count, 9);
    assert.equal(odd.count, 16);
    db.remove(list[1] as Note);
    assert.equal(query.count, 8);
    const stop = db.query<Note>({ rank: { $lt: 10 } }).subscribe(() => undefined);
    assert.equal(db.query<Note>({ rank: { $lt: 10 } }).count, 8);
    stop();
  });
});

describe('O03 back-references', () => {
  test('O03 who refers to an object is found, in lists and maps too', () => {
    const target = db.add(new Expando({ name: 'target' }));
    const owner = db.add({ kind: 'owner', owns: target });
    const listed = db.add({ kind: 'list', about: [{ which: target }] });
    db.add({ kind: 'neither', owns: owner });
    const kinds = (query: { objects: readonly object[] }) =>
      query.objects.map((o) => (o as { kind: string }).kind);
    assert.deepEqual(kinds(db.referrers(target)), ['owner', 'list']);
    assert.deepEqual(kinds(db.referrers(target, 'about')), ['list']);
    assert.deepEqual(kinds(db.referrers(target, ['owns'])), ['owner']);
    assert.deepEqual(kinds(db.query({ $references: target, kind: { $ne: 'list' } })), ['owner']);
    db.createIndex({ references: true });
    const live = db.referrers(target);
    const seen: string[][] = [];
    const stop = live.subscribe((result) => seen.push(kinds(result)));
    listed.about.splice(0, 1);
    assert.deepEqual(kinds(live), ['owner']);
    db.remove(owner);
    assert.deepEqual(kinds(live), []);
    stop();
    assert.deepEqual(kinds(db.referrers(target, undefined, { deleted: 'only' })), ['owner']);
  });
});

describe('O05 full-text search', () => {
  const titles = (query: { objects: readonly object[] }) => query.objects.map((o) => (o as Note).title);

  test('O05 all words, in strings, texts and lists, the last one as a beginning', async () => {
    const { db } = await client.createSpace();
    db.add<Note>({ title: 'The Quick Fox', rank: 1, tags: [] });
    const café = db.add({ title: 'Café', rank: 2, tags: ['quick'], body: new Text('a brown fox jumps') });
    db.add<Note>({ title: '日本語の本', rank: 3, tags: [] });
    const check = () => {
      assert.deepEqual(titles(db.query<Note>({ title: { $search: 'quick fo' } })), ['The Quick Fox']);
      assert.deepEqual(titles(db.query<Note>({ title: { $search: 'fo quick' } })), []);
      assert.deepEqual(titles(db.query<Note>({ title: { $search: 'CAFE' } })), ['Café']);
      assert.deepEqual(titles(db.query<Note>({ title: { $search: '本語' } })), ['日本語の本']);
      assert.deepEqual(titles(db.query<Note>({ title: { $search: '語本' } })), []);
      const several = { $search: { words: 'fox quick', in: ['title', 'tags', 'body'] } };
      assert.deepEqual(titles(db.query<Note>(several)), ['The Quick Fox', 'Café']);
      assert.deepEqual(titles(db.query<Note>({ ...several, rank: 2 })), ['Café']);
    };
    check();
    await Promise.all([
      db.createIndex({ search: ['title'] }),
      db.createIndex({ search: ['body', 'title', 'tags'] }),
    ]);
    check();
    const live = db.search<Note>('brown jump', { in: ['title', 'tags', 'body'] });
    const stop = live.subscribe(() => undefined);
    assert.deepEqual(titles(live), ['Café']);
    café.body.replace(8, 3, 'cat');
    assert.deepEqual(titles(live), ['Café']);
    assert.deepEqual(titles(db.search('fox', { in: ['title', 'tags', 'body'] })), ['The Quick Fox']);
    café.body.delete(0, 8);
    assert.deepEqual(titles(live), []);
    stop();
  });

  test('O05 the page finds words as the core does', async () => {
    const { db } = await client.createSpace();
    const seed = Date.now() % 2 ** 31;
    let state = seed;
    const random = (n: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % n;
    };
    const pieces = [
      'a',
      'B',
      'ab',
      'é',
      'É',
      'e\u0301',
      'ß',
      'Æ',
      'ﬁ',
      'Ж',
      '日',
      '本',
      '한',
      'ก',
      '1',
      '٣',
      ' ',
      ' ',
      '-',
      "'",
      '😀',
      'ế',
    ];
    pieces.push('x'.repeat(63));
    const draw = (most: number) =>
      Array.from({ length: random(most) }, () => pieces[random(pieces.length)]).join('');
    const texts = Array.from({ length: 60 }, () => draw(9));
    const objects = db.transact(() => texts.map((t) => db.add({ t, list: [t, 7, new Text(t)] })));
    for (let round = 0; round < 200; round++) {
      const words = draw(4);
      const expected = objects.filter(({ t }) => foundIn([t], words));
      const why = `seed ${seed}: ${JSON.stringify(words)}`;
      assert.deepEqual(db.query({ t: { $search: words } }).objects, expected, why);
      assert.deepEqual(db.query({ list: { $search: words } }).objects, expected, why);
      if (round === 100) db.createIndex({ search: ['t'] });
    }
  });

  test('O05 the best come first', async () => {
    const { db } = await client.createSpace();
    for (const title of ['foxtrot', 'a fox', 'fox fox fox', `fox ${'and others '.repeat(40)}`])
      db.add({ title });
    assert.deepEqual(titles(db.search('fox', { in: ['title'], limit: 3 })), [
      'fox fox fox',
      'a fox',
      'foxtrot',
    ]);
    const worst = db.query(
      { title: { $search: 'fox' } },
      { order: { by: '$relevance', descending: true }, limit: 1 },
    );
    assert.match(titles(worst)[0] ?? '', /others/);
    assert.deepEqual(
      titles(db.search('fox', { in: ['title'], where: { title: { $ne: 'a fox' } }, limit: 1 })),
      ['fox fox fox'],
    );
  });
});

describe('O06 live results', () => {
  const names = (list: readonly object[]) =>
    list.map((o) => (o as Note).title.replace('note ', '')).join(' ');
  /** What a result says, without the whole list. */
  const difference = (result: QueryResult<Note>) =>
    `+${names(result.added)} ~${names(result.changed)} ^${names(result.moved)} -${names(result.removed)}`;

  test('O06 what moves is told, and what only changes is not said to move', async () => {
    const { db, list } = await notes(6);
    const told: string[] = [];
    const results: QueryResult<Note>[] = [];
    const all = db.query<Note>({}, { order: 'rank' });
    const stop = all.subscribe((result) => {
      results.push(result);
      told.push(difference(result));
    });
    const window = db.query<Note>({}, { order: 'rank', limit: 3 });
    const inWindow: string[] = [];
    const stopWindow = window.subscribe((result) =>
      inWindow.push(`${names(result.objects)} ${difference(result)}`),
    );
    (list[5] as Note).rank = 1.5;
    await settled();
    (list[5] as Note).rank = 1.6;
    await settled();
    (list[0] as Note).rank = 1.7;
    await settled();
    db.transact(() => {
      db.remove(list[1] as Note);
      moveItem((list[2] as Note).tags, 0, 1);
    });
    await settled();
    assert.deepEqual(told, ['+0 1 2 3 4 5 ~ ^ -', '+ ~5 ^5 -', '+ ~5 ^ -', '+ ~0 ^0 -', '+ ~2 ^ -1']);
    assert.deepEqual(inWindow, [
      '0 1 2 +0 1 2 ~ ^ -',
      '0 1 5 +5 ~ ^ -2',
      '0 1 5 + ~5 ^ -',
      '1 5 0 + ~0 ^0 -',
      '5 0 2 +2 ~ ^ -1',
    ]);
    // A result that is read late is still the one of its time.
    assert.deepEqual(
      results.map((result) => names(result.objects)),
      ['0 1 2 3 4 5', '0 1 5 2 3 4', '0 1 5 2 3 4', '1 5 0 2 3 4', '5 0 2 3 4'],
    );
    assert.ok(results.every((result) => Object.isFrozen(result.objects)));
    stop();
    stopWindow();
  });
});
