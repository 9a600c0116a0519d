// Spaces that open from snapshots, whole and damaged.

import assert from 'node:assert/strict';
import { createSpace, eventually, world } from './harness.mjs';

const { test, peer } = world();

/** Gives the records of snapshots: how many, and a sum of their sizes. Runs on a page. */
async function snapshotRecords() {
  const db = await openDatabase();
  const [keys, values] = await Promise.all(
    ['getAllKeys', 'getAll'].map((what) => asked(store(db, 'readonly')[what](range))),
  );
  db.close();
  return keys.map((key, i) => ({ key: [...new Uint8Array(key)], size: values[i].byteLength }));
}

/** Changes the n-th record of snapshots. Runs on a page. */
async function damage({ n, how }) {
  const db = await openDatabase();
  const key = (await asked(store(db, 'readonly').getAllKeys(range)))[n];
  const value = new Uint8Array(await asked(store(db, 'readonly').get(key)));
  if (how === 'flip') value[value.length >> 1] ^= 16;
  await asked(
    how === 'delete'
      ? store(db, 'readwrite').delete(key)
      : store(db, 'readwrite').put(how === 'cut' ? value.slice(0, -1) : value, key),
  );
  db.close();
}

/** What a page needs to look into the database. */
function helpers() {
  globalThis.range = IDBKeyRange.bound(
    new Uint8Array([0x73, 0x2f]),
    new Uint8Array([0x73, 0x30]),
    false,
    true,
  );
  globalThis.store = (db, mode) => db.transaction('kv', mode).objectStore('kv');
}

/** All objects as JSON, with the text. Runs on a page. */
function contents() {
  const space = client.spaces.get()[0];
  const objects = space.db.query({}, { sort: ['n'] }).objects;
  return JSON.stringify(objects.map((o) => [o.n, o.title, o.text?.toString(), o.list, o.count?.value]));
}

const often = { config: { storage: { snapshotAfter: 20 } } };

async function withSnapshot() {
  const ada = await peer('Ada', { ...often, init: helpers });
  await createSpace(ada);
  await ada.run(async () => {
    const { db } = client.spaces.get()[0];
    db.transact(() => {
      for (let n = 0; n < 2000; n++) db.add({ n, title: `title ${n} ${'x'.repeat(n % 90)}` });
    });
    const object = db.add({
      n: 2000,
      text: new es.Text('some text'),
      list: [1, { a: 2 }, 'three'],
      count: new es.Counter(4),
    });
    object.text.insert(4, ' more');
    await db.flush();
  });
  let before = '';
  await eventually(async () => {
    const now = JSON.stringify(await ada.run(snapshotRecords));
    const calm = now === before && now !== '[]';
    before = now;
    return calm;
  }, 'a snapshot is there');
  return ada;
}

async function reopened(ada, options) {
  await ada.reload();
  await ada.open(options);
  return ada.run(contents);
}

test('C02 a reload from a snapshot shows the same objects, and goes on', async () => {
  const ada = await withSnapshot();
  const before = await ada.run(contents);
  assert.equal(JSON.parse(before).length, 2001);
  assert.equal(await reopened(ada, often), before);
  await ada.run(async () => {
    const { db } = client.spaces.get()[0];
    const [object] = db.query({ n: 2000 }).objects;
    object.text.insert(0, 'after a reload: ');
    object.list.push('four');
    await db.flush();
  });
  const after = await ada.run(contents);
  assert.notEqual(after, before);
  assert.equal(await reopened(ada, often), after);
  const behind = await ada.run(async () => {
    const { db } = client.spaces.get()[0];
    await Promise.all([db.createIndex('n'), db.createIndex({ search: ['title'] })]);
    const [object] = db.query({ n: 2000 }).objects;
    const changes = await db.history(object);
    const blame = await db.blame(object.text);
    const undone = [db.undo.undo(), db.undo.undo()];
    return {
      changes: changes.length,
      newest: changes[0].objects[0].kind,
      some: db.query({ n: { $lt: 3 } }).objects.length,
      found: db.search('title 1999', { in: ['title'] }).objects.length,
      used: db.query({ n: 7 }).explain().indexes.length,
      blamed: blame.at(-1).to,
      undone,
      text: object.text.toString(),
      list: object.list.length,
    };
  });
  assert.deepEqual(behind, {
    changes: 4,
    newest: 'edit',
    some: 3,
    found: 1,
    used: 1,
    blamed: 'after a reload: some more text'.length,
    undone: [true, true],
    text: 'some text',
    list: 3,
  });
});

test('T04 a damaged snapshot is made again from the feeds', async () => {
  const ada = await withSnapshot();
  const before = await ada.run(contents);
  for (const how of ['flip', 'cut', 'delete']) {
    const { length } = await ada.run(snapshotRecords);
    for (const n of [0, 1, length - 1]) {
      await ada.run(() => client.destroy());
      await ada.run(damage, { n, how });
      assert.equal(await reopened(ada, {}), before, `${how} of record ${n}`);
      assert.equal(await reopened(ada, often), before, `after the ${how} of record ${n}`);
      await eventually(async () => (await ada.run(snapshotRecords)).length >= 3, 'a snapshot is there again');
    }
  }
});
