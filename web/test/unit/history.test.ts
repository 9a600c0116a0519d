import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Change,
  Counter,
  type Database,
  defineType,
  idOf,
  moveItem,
  type StandardSchema,
  Text,
  type TextEvent,
  Version,
} from '@echospace/client';
import { makeClient, makeSpace, settled } from './support.js';

interface Task {
  title?: string;
  owner?: { name: string; at?: { city: string } };
  tags?: (string | { n: number })[];
  body?: Text;
  votes?: Counter;
  next?: object;
}

const rich = (): Task => ({
  title: 'a',
  owner: { name: 'Ada', at: { city: 'London' } },
  tags: ['x', 'y', { n: 1 }],
  body: new Text('Hello world'),
  votes: new Counter(3),
});

/** What a change did, in words. */
const words = (change: Change, names: Record<string, string>) =>
  change.objects
    .map(({ id, kind, paths }) => `${kind} ${names[id]}(${paths.map((path) => path.join('.')).join(' ')})`)
    .join(', ');

/** All that can be seen, as JSON would have it. */
const json = (db: Pick<Database, 'query'>) =>
  JSON.parse(JSON.stringify(db.query<Task>().objects)) as Record<string, unknown>[];

describe('history', () => {
  test('O16 lists who changed what and when, newest first', async () => {
    const { client, space } = await makeSpace();
    const before = Date.now();
    const a = space.db.add<Task>({ title: 'a', owner: { name: 'Ada' } });
    space.db.transact(() => {
      a.title = 'b';
      a.owner = { name: 'Bob' };
    });
    const other = space.db.add<Task>({ title: 'other' });
    await settled();
    (a.owner as { name: string }).name = 'Cyd';
    space.db.remove(other);
    space.db.restore(other);
    const names = { [a.id]: 'a', [other.id]: 'other' };
    const all = await space.db.history();
    assert.deepEqual(
      all.map((change) => words(change, names)),
      [
        'edit a(owner.name), restore other()',
        'create other(title)',
        'edit a(title owner)',
        'create a(owner title)',
      ],
    );
    for (const change of all) {
      assert.equal(String(change.identityKey), String(client.halo.identity.get()?.identityKey));
      assert.equal(String(change.deviceKey), String(client.halo.device?.deviceKey));
      assert.ok(change.time.getTime() >= before && change.time.getTime() <= Date.now());
      assert.equal(change.message, undefined);
    }
    assert.deepEqual(await space.db.history(other), [all[0], all[1]]);
    assert.deepEqual(await space.db.history(idOf(a)), [all[0], all[2], all[3]]);
    await client.destroy();
  });

  test('O16 a long history comes in pages, and after the space was opened again', async () => {
    const { client, space } = await makeSpace();
    const task = space.db.add<Record<string, number>>({});
    for (let i = 0; i < 60; i++) {
      space.db.transact(() => {
        task[`k${i}`] = i;
      });
      if (i % 7 === 0) await space.db.flush();
    }
    const all = await space.db.history();
    assert.equal(all.length, 61);
    assert.equal(new Set(all.map(({ id }) => id)).size, 61);
    await space.close();
    await assert.rejects(space.db.history(), { code: 'SPACE_CLOSED' });
    await space.open();
    const paged: Change[] = [];
    for (;;) {
      const before = paged.at(-1);
      const page = await space.db.history(undefined, { limit: 8, ...(before && { before }) });
      if (page.length === 0) break;
      assert.ok(page.length === 8 || paged.length + page.length === 61);
      paged.push(...page);
    }
    assert.deepEqual(paged, all);
    const third = all[2] as Change;
    assert.deepEqual(await space.db.history(task, { limit: 2, before: third.id }), all.slice(3, 5));
    await assert.rejects(space.db.history(undefined, { limit: 0 }), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(space.db.history(undefined, { limit: 10_001 }), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(space.db.history(undefined, { before: 'x' }), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(space.db.history(undefined, { before: `${'0'.repeat(64)}.0` }), {
      code: 'NOT_FOUND',
    });
    await assert.rejects(space.db.history({ title: 'no object' }), { code: 'INVALID_ARGUMENT' });
    await client.destroy();
  });
});

describe('versions', () => {
  test('O16 a version is a bookmark: comparable, and kept as text', async () => {
    const { client, space } = await makeSpace();
    const empty = await space.db.version();
    const task = space.db.add<Task>({ title: 'a' });
    const first = await space.db.version();
    assert.ok(!first.equals(empty));
    assert.ok((await space.db.version()).equals(first));
    task.title = 'b';
    const second = await space.db.version(); // the edit of this moment included
    assert.ok(!second.equals(first));
    const kept = JSON.parse(JSON.stringify({ first })).first as string;
    assert.ok(Version.from(kept).equals(first));
    assert.equal(String(Version.from(kept)), String(first));
    assert.equal(Version.from(first), first);
    const past = await space.db.at(kept);
    assert.deepEqual(json(past), [{ title: 'a' }]);
    past.close();
    const [last] = await space.db.history();
    assert.ok(last?.version.equals(second));
    for (const bad of ['', 'x', '*', `${kept}A`, kept.slice(0, -4), 'kgGQ', 'kQE']) {
      if (bad !== 'kgGQ') assert.throws(() => Version.from(bad), { code: 'INVALID_ARGUMENT' }, bad);
    }
    assert.throws(() => Version.from('kgKQ'), { code: 'VERSION_UNSUPPORTED' });
    await assert.rejects(space.db.at('x'), { code: 'INVALID_ARGUMENT' });
    await client.destroy();
  });

  test('O16 the past is there to read, looks plain, and refuses edits by name', async () => {
    const { client, space } = await makeSpace();
    const friend = space.db.add<Task>({ title: 'friend' });
    const task = space.db.add<Task>({ ...rich(), next: friend });
    task.body?.format(0, 5, { bold: true });
    const then = await space.db.version();
    const was = json(space.db);
    task.title = 'changed';
    (task.owner as { at: { city: string } }).at.city = 'Paris';
    task.tags?.splice(0, 2, 'z');
    task.body?.replace(0, 5, 'Bye');
    task.votes?.increment(2);
    space.db.remove(friend);
    space.db.add<Task>({ title: 'new' });

    const past = await space.db.at(then);
    assert.ok(past.version.equals(then));
    assert.deepEqual(json(past), was);
    const old = past.get<Task>(task.id);
    assert.ok(old);
    assert.deepEqual(Object.keys(old), Object.keys(rich()).concat('next').sort());
    assert.equal(old.body?.toString(), 'Hello world');
    assert.equal(old.body?.slice(6), 'world');
    assert.deepEqual(old.body?.toDelta(), [
      { insert: 'Hello', attributes: { bold: true } },
      { insert: ' world' },
    ]);
    assert.equal(old.votes?.value, 3);
    assert.deepEqual(old.tags, ['x', 'y', { n: 1 }]);
    assert.equal((old.next as Task).title, 'friend');
    assert.equal(past.query<Task>({ title: 'a' }).objects[0], old);
    assert.equal(past.query<Task>({ title: 'new' }).objects.length, 0);
    assert.equal(past.query<Task>(({ title }) => title === 'friend').objects.length, 1);

    const refused = { code: 'NOT_PERMITTED', message: /past version/ };
    const write = old as Task;
    assert.throws(() => {
      write.title = 'x';
    }, refused);
    assert.throws(() => delete write.title, refused);
    assert.throws(() => write.tags?.push('x'), refused);
    assert.throws(() => moveItem(write.tags as unknown[], 0, 1), refused);
    assert.throws(() => Object.assign(write.owner ?? {}, { name: 'x' }), refused);
    assert.throws(() => write.body?.append('x'), refused);
    assert.throws(() => write.body?.format(0, 2, { bold: true }), refused);
    assert.throws(() => write.votes?.increment(), refused);
    assert.deepEqual(json(past), was);
    assert.equal(task.title, 'changed');

    task.owner = old.owner as { name: string }; // a part of the past may be copied
    assert.deepEqual(task.owner, { name: 'Ada', at: { city: 'London' } });
    past.close();
    past.close();
    assert.equal(old.title, 'a');
    assert.throws(() => past.get('0'.repeat(32)), { code: 'CLOSED' });
    assert.throws(() => past.query().objects, { code: 'CLOSED' });
    assert.throws(() => old.body?.toString(), { code: 'CLOSED' });
    await client.destroy();
  });

  test('O16 a version that is not here is refused, naming what is missing', async () => {
    const { client, space } = await makeSpace();
    const other = await client.createSpace();
    other.db.add<Task>({ title: 'elsewhere' });
    const foreign = await other.db.version();
    const missing = { code: 'MISSING_DEPENDENCY', message: /block 1 of feed/ };
    await assert.rejects(space.db.at(foreign), missing);
    await assert.rejects(space.db.diff(await space.db.version(), foreign), missing);
    await assert.rejects(space.db.restore(foreign), missing);
    await client.destroy();
  });

  test('O16 diff tells added, removed and changed objects, and texts as deltas', async () => {
    const { client, space } = await makeSpace();
    const friend = space.db.add<Task>({ title: 'friend' });
    const task = space.db.add<Task>({ ...rich(), next: friend });
    const a = await space.db.version();
    task.title = 'b';
    (task.owner as { at: { city: string } }).at.city = 'Paris';
    task.tags?.push('z');
    task.body?.replace(0, 5, 'Hi 😀');
    task.votes?.increment(2);
    delete task.next;
    space.db.remove(friend);
    const fresh = space.db.add<Task>({ title: 'new' });
    const b = await space.db.version();
    assert.deepEqual(await space.db.diff(a, b), {
      added: [fresh.id],
      removed: [friend.id],
      changed: [
        {
          id: task.id,
          changes: [
            { path: ['body'], delta: [{ retain: 1 }, { delete: 4 }, { insert: 'i 😀' }] },
            { path: ['next'], before: friend.id },
            { path: ['owner', 'at', 'city'], before: 'London', after: 'Paris' },
            { path: ['tags'], before: ['x', 'y', { n: 1 }], after: ['x', 'y', { n: 1 }, 'z'] },
            { path: ['title'], before: 'a', after: 'b' },
            { path: ['votes'], before: 3, after: 5 },
          ],
        },
      ],
    });
    const back = await space.db.diff(String(b), a);
    assert.deepEqual([back.added, back.removed], [[friend.id], [fresh.id]]);
    assert.deepEqual(await space.db.diff(a, a), { added: [], removed: [], changed: [] });
    await client.destroy();
  });

  test('O16 diff, restore, history and at know how texts are formatted', async () => {
    const { client, space } = await makeSpace();
    const task = space.db.add<Task>({ title: 'a', body: new Text('The quick fox') });
    task.body?.format(4, 9, { bold: true });
    task.body?.format(10, 13, { link: 'https://example.org', 'comment:1': 'whose?' });
    const a = await space.db.version();
    const was = task.body?.toDelta();
    task.body?.format(0, 13, { bold: null, link: 'https://example.com' });
    task.body?.insert(13, ' ran', { italic: true });
    task.body?.delete(0, 4);
    const b = await space.db.version();
    const now = task.body?.toDelta();
    const body = async (from: Version, to: Version) =>
      (await space.db.diff(from, to)).changed.flatMap(({ changes }) => changes);
    assert.deepEqual(await body(a, b), [
      {
        path: ['body'],
        delta: [
          { delete: 4 },
          { retain: 5, attributes: { bold: null, link: 'https://example.com' } },
          { retain: 4, attributes: { link: 'https://example.com' } },
          { insert: ' ran', attributes: { italic: true } },
        ],
      },
    ]);
    const back = await body(b, a);
    assert.deepEqual(back, [
      {
        path: ['body'],
        delta: [
          { insert: 'The ' },
          { retain: 5, attributes: { bold: true, link: null } },
          { retain: 1, attributes: { link: null } },
          { retain: 3, attributes: { link: 'https://example.org' } },
          { delete: 4 },
        ],
      },
    ]);
    const touched = (await space.db.history(task)).map((change) => words(change, { [task.id]: 'task' }));
    assert.deepEqual([touched[0], touched.at(-1)], ['edit task(body)', 'create task(body title)']);
    const past = await space.db.at(a);
    assert.deepEqual(past.get<Task>(task.id)?.body?.toDelta(), was);
    past.close();
    const seen: TextEvent[] = [];
    task.body?.observe((event) => seen.push(event));
    await space.db.restore(a);
    assert.deepEqual(task.body?.toDelta(), was);
    assert.deepEqual(
      seen.map(({ delta }) => delta),
      [back[0]?.delta],
    );
    assert.deepEqual(await space.db.diff(a, await space.db.version()), {
      added: [],
      removed: [],
      changed: [],
    });
    space.db.undo.undo();
    assert.deepEqual(task.body?.toDelta(), now);
    space.db.undo.redo();
    assert.deepEqual(task.body?.toDelta(), was);
    await client.destroy();
  });

  test('O16 restore makes it what it was, in one transaction that is seen by all who watch', async () => {
    const { client, space } = await makeSpace();
    const friend = space.db.add<Task>({ title: 'friend' });
    const task = space.db.add<Task>(rich());
    const kept = space.db.add<Task>({ title: 'kept' });
    const then = await space.db.version();
    const was = json(space.db);
    const { body, tags, votes, owner } = task;
    const events: TextEvent[] = [];
    body?.observe((event) => events.push(event));
    task.title = 'changed';
    tags?.reverse();
    tags?.splice(1, 1, 'new', 'newer');
    body?.replace(6, 5, 'there');
    votes?.increment(39);
    (owner as { name: string }).name = 'Bob';
    space.db.remove(friend);
    const fresh = space.db.add<Task>({ title: 'fresh' });
    const seen: string[][] = [];
    space.db.query<Task>().subscribe(({ objects }) => seen.push(objects.map(({ title }) => title ?? '')));
    await space.db.flush();
    events.length = 0;
    await space.db.restore(then, { message: 'as it was' });
    assert.deepEqual(json(space.db), was);
    assert.equal(task.body, body);
    assert.equal(task.tags, tags);
    assert.deepEqual(
      events.map(({ local }) => local),
      [false],
    );
    assert.deepEqual(seen.at(-1), ['friend', 'a', 'kept']);
    const [last, before] = await space.db.history();
    assert.equal(last?.message, 'as it was');
    assert.equal(last?.objects.length, 3);
    assert.notEqual(before?.message, last?.message);
    await space.db.restore(then); // nothing is to be done
    assert.equal((await space.db.history())[0]?.id, last?.id);

    task.title = 'again';
    kept.title = 'again';
    await space.db.restore(then, { objects: [task, fresh.id] });
    assert.deepEqual([task.title, kept.title], ['a', 'again']);
    tags?.push('on'); // it is a list as before
    await space.close();
    await space.open();
    assert.deepEqual(tags, ['x', 'y', { n: 1 }, 'on']);
    await assert.rejects(space.db.restore(then, { message: 'x'.repeat(1025) }), { code: 'TOO_LARGE' });
    await client.destroy();
  });
});

describe('types in the past', () => {
  test('O16 objects of a type are of it in the past too, and what is kept about types is not told', async () => {
    const { client, space } = await makeSpace();
    const any: StandardSchema<{ title: string }, { title: string }> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => ({ value: value as { title: string } }),
      },
    };
    const Note = defineType('history-note', any);
    const note = space.db.add(Note.create({ title: 'a' }));
    const a = await space.db.version();
    note.title = 'b';
    const b = await space.db.version();
    const past = await space.db.at(a);
    assert.deepEqual(
      past.query(Note, { title: 'a' }).objects.map(({ title }) => title),
      ['a'],
    );
    const old = past.get<{ title: string }>(note.id) as { title: string };
    assert.ok(Note.is(old));
    assert.throws(
      () => {
        old.title = 'x';
      },
      { code: 'NOT_PERMITTED' },
    );
    assert.equal(old.title, 'a');
    past.close();
    const { changed } = await space.db.diff(a, b);
    assert.deepEqual(changed, [{ id: note.id, changes: [{ path: ['title'], before: 'a', after: 'b' }] }]);
    assert.deepEqual(
      (await space.db.history(note)).map(({ objects }) => objects[0]?.paths),
      [[['title']], [['title']]],
    );
    await space.db.restore(a);
    assert.equal(note.title, 'a');
    await client.destroy();
  });
});

describe('blame', () => {
  test('O16 tells who wrote which part of a text, and when', async () => {
    const { client, space } = await makeSpace();
    const task = space.db.add<Task>({ body: new Text('Hello world') });
    const body = task.body as Text;
    const first = await space.db.version();
    body.insert(5, ', dear');
    const second = await space.db.version();
    body.delete(0, 1);
    body.insert(0, 'h');
    const runs = await space.db.blame(body);
    const parts = runs.map(({ from, to }) => body.slice(from, to));
    assert.equal(parts.join(''), 'hello, dear world');
    const written = (part: string) => runs[parts.indexOf(part)]?.version;
    assert.ok(written('ello')?.equals(first));
    assert.ok(written(', dear')?.equals(second));
    assert.equal(runs[0]?.from, 0);
    for (const run of runs) {
      assert.equal(String(run.identityKey), String(client.halo.identity.get()?.identityKey));
      assert.ok(Math.abs(run.time.getTime() - Date.now()) < 60_000);
    }
    const past = await space.db.at(first);
    const old = past.get<Task>(task.id)?.body as Text;
    await assert.rejects(space.db.blame(old), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(space.db.blame(new Text('x')), { code: 'INVALID_ARGUMENT' });
    past.close();
    await client.destroy();
  });

  test('O16 names are those that members go by', async () => {
    const client = await makeClient();
    await client.initialize();
    await client.halo.createIdentity({ displayName: 'Ada' });
    const space = await client.createSpace();
    const task = space.db.add<Task>({ body: new Text('x') });
    assert.equal((await space.db.history())[0]?.displayName, 'Ada');
    assert.equal((await space.db.blame(task.body as Text))[0]?.displayName, 'Ada');
    await client.destroy();
  });
});
