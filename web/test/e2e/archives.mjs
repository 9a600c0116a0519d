import assert from 'node:assert/strict';
import { share, world } from './harness.mjs';

const { test, peer } = world();

/** Exports the peer's space, as text that another page takes. */
const exported = (who, options) =>
  who.run(async (options) => {
    const bytes = new Uint8Array(await (await space.export(options)).arrayBuffer());
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  }, options);

/** Imports what `exported` gave as the peer's space. */
const imported = (who, archive) =>
  who.run(async (archive) => {
    const bytes = Uint8Array.from(archive, (c) => c.charCodeAt(0));
    globalThis.space = await client.importSpace(new Blob([bytes]));
  }, archive);

/** What a page sees in its space. */
const seen = (who) =>
  who.run(() =>
    JSON.stringify([
      space.properties,
      space.db.query().objects.map((o) => ({ id: es.idOf(o), ...o, owner: o.owner && es.idOf(o.owner) })),
    ]),
  );

for (const history of [false, true]) {
  test(`S12 a space of two, exported and imported ${history ? 'with' : 'without'} history`, async () => {
    const [ada, bob, carol] = [await peer('Ada'), await peer('Bob'), await peer('Carol')];
    await share(ada, bob);
    const id = await ada.run(async () => {
      space.properties.name = 'Plans';
      const owner = new es.Expando({ name: 'Ann' });
      const task = space.db.add({ title: 'a', owner, notes: new es.Text('notes'), tags: ['x', 'y'] });
      await space.db.flush();
      return es.idOf(task);
    });
    await bob.run(async (id) => {
      await until(() => space.db.get(id), 'the task arrives');
      globalThis.task = space.db.get(id);
    }, id);
    await ada.run((id) => {
      globalThis.task = space.db.get(id);
    }, id);
    // Both write at once, offline, so that there is something to merge.
    for (const who of [ada, bob]) await who.run(() => client.mesh.goOffline());
    await ada.run(() => {
      for (const c of 'ada ') task.notes.insert(task.notes.length, c);
      task.tags.push('of Ada');
      task.title = 'Ada';
    });
    await bob.run(() => {
      for (const c of 'bob ') task.notes.insert(0, c);
      task.tags.unshift('of Bob');
      task.title = 'Bob';
    });
    for (const who of [ada, bob]) await who.run(() => client.mesh.goOnline());
    for (const who of [ada, bob]) {
      await who.run(() => until(() => task.tags.length === 4 && task.notes.length === 13, 'both are merged'));
    }
    const before = await seen(bob);
    await imported(carol, await exported(bob, { history }));
    assert.equal(await seen(carol), before);

    // It is a space like any other: it outlives a reload, takes edits, and can be shared.
    const key = await carol.run(async (id) => {
      const task = space.db.get(id);
      task.notes.insert(0, '!');
      task.tags.push('of Carol');
      await space.db.flush();
      return space.id;
    }, id);
    const after = await seen(carol);
    await carol.reload();
    await carol.open();
    await carol.run((key) => {
      globalThis.space = client.spaces.get(key);
    }, key);
    assert.equal(await seen(carol), after);
  });
}

test('S12 another tab gets the imported space', async () => {
  const ada = await peer('Ada');
  const tab = await peer('Ada 2', { context: ada.context, identity: false });
  const count = await tab.run(() => client.spaces.get().length);
  await ada.run(async () => {
    globalThis.space = await client.createSpace({ name: 'Plans' });
    space.db.add({ title: 'a' });
  });
  await imported(ada, await exported(ada));
  const key = await ada.run(() => space.id);
  const titles = await tab.run(
    async ({ key, count }) => {
      await until(() => client.spaces.get(key)?.isOpen, 'the space is there');
      return [
        client.spaces.get().length - count,
        client.spaces
          .get(key)
          .db.query()
          .objects.map((o) => o.title),
      ];
    },
    { key, count },
  );
  assert.deepEqual(titles, [2, ['a']]);
});

test('S12 a file that is none, or was cut, is refused and leaves nothing', async () => {
  const ada = await peer('Ada');
  const codes = await ada.run(async () => {
    const space = await client.createSpace();
    for (let i = 0; i < 100; i++) space.db.add({ title: `task ${i}` });
    const archive = await space.export({ history: true });
    const codes = [];
    for (const blob of [new Blob(['PDF']), archive.slice(0, 20), archive.slice(0, archive.size - 1)]) {
      codes.push((await outcome(() => client.importSpace(blob))).code);
    }
    return [...codes, client.spaces.get().length];
  });
  assert.deepEqual(codes, ['INVALID_ARGUMENT', 'MALFORMED', 'MALFORMED', 1]);
});
