import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Client, Counter, Expando, idOf, type Space, Text } from '@echospace/client';
import { makeClient, makeSpace } from './support.js';

interface Task {
  title: string;
  owner?: object;
  notes?: Text;
  votes?: Counter;
  items?: unknown[];
}

describe('export and import', () => {
  let space: Space;
  let other: Client;
  let task: Task & { id: string };
  before(async () => {
    ({ space } = await makeSpace());
    other = await makeClient();
    await other.initialize();
    await other.halo.createIdentity();
    const { db } = space;
    const owner = new Expando({ name: 'Ann', best: null as object | null });
    task = db.add<Task & { id: string }>({
      title: 'a',
      owner,
      notes: new Text('some notes'),
      votes: new Counter(2),
      items: [1, { deep: [new Text('in a list')] }, new Date(5), new Uint8Array([1, 255]), 12n ** 30n],
    } as never);
    owner.best = task;
    space.properties.name = 'Plans';
    task.votes?.increment(3);
    task.notes?.insert(0, 'Ann: ');
    task.notes?.format(0, 3, { bold: true, link: 'x' });
    db.remove(db.add({ title: 'gone' }));
    db.add({ nan: Number.NaN, zero: -0, over: 2 ** 60, ['__proto__']: 1, big: 1n });
  });

  for (const history of [false, true]) {
    test(`S12 a new space has equal objects, ${history ? 'with' : 'without'} history`, async () => {
      const archive = await space.export({ history });
      assert.ok(archive instanceof Blob && archive.size > 200);
      const copy = await other.importSpace(archive);
      assert.ok(copy.isOpen);
      assert.notEqual(copy.id, space.id);
      assert.equal(other.getSpace(copy.key), copy);
      assert.deepStrictEqual({ ...copy.properties }, { name: 'Plans' });
      const objects = copy.db.query().objects;
      assert.deepStrictEqual(objects.map(idOf), space.db.query().objects.map(idOf));
      assert.deepStrictEqual(objects.slice(1), space.db.query().objects.slice(1));
      const same = copy.db.get<Task>(idOf(task)) as Task;
      assert.equal(same.title, 'a');
      assert.equal(same.notes?.toString(), 'Ann: some notes');
      assert.deepStrictEqual(same.notes?.toDelta(), [
        { insert: 'Ann', attributes: { bold: true, link: 'x' } },
        { insert: ': some notes' },
      ]);
      assert.equal(same.votes?.value, 5);
      assert.equal(JSON.stringify((same.items as unknown[])[1]), '{"deep":["in a list"]}');
      assert.deepStrictEqual(same.items?.slice(2), task.items?.slice(2));
      const owner = same.owner as { name: string; best: object };
      assert.equal(owner, copy.db.get(idOf(task.owner as object)));
      assert.equal(owner.best, same);
      // It lives on its own.
      same.notes?.insert(0, '!');
      same.title = 'b';
      await copy.db.flush();
      assert.equal(task.title, 'a');
    });
  }

  test('S12 bytes are taken as a Blob is', async () => {
    const archive = await space.export();
    const buffer = await archive.arrayBuffer();
    for (const form of [buffer, new Uint8Array(buffer)]) {
      const copy = await other.importSpace(form);
      assert.equal(copy.db.query().objects.length, space.db.query().objects.length);
    }
  });

  test('S12 what is no archive, cut or altered is refused, and leaves nothing', async () => {
    const count = other.spaces.get().length;
    const archive = new Uint8Array(await (await space.export()).arrayBuffer());
    const altered = archive.slice();
    altered[100] = (altered[100] as number) ^ 1;
    for (const [what, code] of [
      [new Blob(['not an archive']), 'INVALID_ARGUMENT'],
      ['a string', 'INVALID_ARGUMENT'],
      [archive.slice(0, 200), 'MALFORMED'],
      [altered, 'MALFORMED'],
    ] as const) {
      await assert.rejects(other.importSpace(what as Blob), { code });
    }
    assert.equal(other.spaces.get().length, count);
    assert.equal(archive.length, (await space.export()).size);
  });

  test('S12 without an identity, before initialize(), of a closed space', async () => {
    const client = await makeClient();
    await assert.rejects(client.importSpace(new Uint8Array()), { code: 'NOT_INITIALIZED' });
    await client.initialize();
    await assert.rejects(client.importSpace(await space.export()), { code: 'NO_IDENTITY' });
    const closed = await makeSpace();
    await closed.space.close();
    await assert.rejects(closed.space.export(), { code: 'SPACE_CLOSED' });
    await assert.rejects(closed.space.export({ format: 'json' }), { code: 'SPACE_CLOSED' });
  });

  test('S12 JSON for people and scripts', async () => {
    const json = await space.export({ format: 'json' });
    assert.equal(json.type, 'application/json');
    const { created, ...rest } = JSON.parse(await json.text());
    assert.ok(Math.abs(Date.parse(created) - Date.now()) < 60_000);
    const [first, owner] = [idOf(task), idOf(task.owner as object)];
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    assert.deepStrictEqual(
      { ...rest, objects: rest.objects.slice(0, 2).sort(byId) },
      {
        format: 'echospace',
        version: 1,
        properties: { name: 'Plans' },
        objects: [
          {
            id: first,
            properties: {
              title: 'a',
              owner: { $ref: owner },
              notes: 'Ann: some notes',
              votes: 5,
              items: [
                1,
                { deep: ['in a list'] },
                '1970-01-01T00:00:00.005Z',
                { $bytes: 'Af8=' },
                { $bigint: String(12n ** 30n) },
              ],
            },
          },
          { id: owner, properties: { name: 'Ann', best: { $ref: first } } },
        ].sort(byId),
      },
    );
    assert.equal(
      JSON.stringify(rest.objects[2].properties),
      '{"nan":{"$number":"NaN"},"zero":{"$number":"-0"},"over":1152921504606847000,"__proto__":1,"big":{"$bigint":"1"}}',
    );
    await assert.rejects(space.export({ format: 'json', history: true }), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(space.export({ format: 'csv' as 'json' }), { code: 'INVALID_ARGUMENT' });
  });
});
