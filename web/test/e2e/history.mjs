import assert from 'node:assert/strict';
import { sees, share, world } from './harness.mjs';

const { test, peer } = world();

/** Waits until both are at the same version. */
async function agree(...peers) {
  const version = (who) => who.run(async () => String(await space.db.version()));
  const [first] = peers;
  for (const other of peers.slice(1)) {
    const end = Date.now() + 30_000;
    while ((await version(first)) !== (await version(other))) {
      if (Date.now() > end) throw new Error(`${other.name} does not come to the version of ${first.name}`);
    }
  }
}

/** The history as a peer sees it: who, what, and whether the time is of this test. */
const history = (who, began) =>
  who.run(
    async (began) =>
      (await space.db.history()).map(({ displayName, identityKey, message, objects, time }) => ({
        who: displayName,
        key: String(identityKey),
        ...(message && { message }),
        what: objects.map(({ kind, paths }) => `${kind} ${paths.map((path) => path.join('.'))}`).join(),
        timely: time.getTime() >= began && time.getTime() <= Date.now(),
      })),
    began,
  );

test('O16 both see who changed what and when, after a reload too, and go back in time', async () => {
  const began = Date.now();
  const ada = await peer('Ada');
  const bob = await peer('Bob');
  await share(ada, bob);
  const id = await ada.run(async () => {
    const note = space.db.add({ title: 'by Ada', body: new es.Text('Hello world') });
    globalThis.bookmark = String(await space.db.version());
    return es.idOf(note);
  });
  const bookmark = await ada.run(() => bookmark);
  await sees(bob, { title: 'by Ada' });
  await bob.run(async (id) => {
    const note = space.db.get(id);
    note.title = 'by Bob';
    await space.db.flush();
    note.body.insert(5, ', dear');
    await space.db.flush();
  }, id);
  await sees(ada, { title: 'by Bob', body: 'Hello, dear world' });
  await agree(ada, bob);

  const [adaKey, bobKey] = await Promise.all(
    [ada, bob].map((who) => who.run(() => String(client.halo.identity.get().identityKey))),
  );
  const expected = [
    { who: 'Bob', key: bobKey, what: 'edit body', timely: true },
    { who: 'Bob', key: bobKey, what: 'edit title', timely: true },
    { who: 'Ada', key: adaKey, what: 'create body,title', timely: true },
  ];
  for (const who of [ada, bob]) assert.deepEqual(await history(who, began), expected);

  const key = await bob.run(() => space.key.toHex());
  await bob.reload();
  await bob.open({});
  await bob.run((key) => {
    globalThis.space = client.getSpace(key);
  }, key);
  assert.deepEqual(await history(bob, began), expected);

  const past = await bob.run(
    async ({ bookmark, id }) => {
      const blame = await space.db.blame(space.db.get(id).body);
      const past = await space.db.at(bookmark);
      const note = past.get(id);
      const was = JSON.stringify(note);
      const refused = await outcome(() => {
        note.title = 'x';
      });
      past.close();
      const now = await space.db.version();
      const { changed } = await space.db.diff(bookmark, now);
      await space.db.restore(es.Version.from(bookmark), { message: 'back' });
      return {
        was,
        refused: refused.code,
        blame: blame.map(({ from, to, displayName }) => [from, to, displayName]),
        changed: changed[0].changes,
        restored: JSON.stringify(space.db.get(id)),
      };
    },
    { bookmark, id },
  );
  const first = '{"body":"Hello world","title":"by Ada"}';
  assert.deepEqual(past, {
    was: first,
    refused: 'NOT_PERMITTED',
    blame: [
      [0, 5, 'Ada'],
      [5, 11, 'Bob'],
      [11, 17, 'Ada'],
    ],
    changed: [
      { path: ['body'], delta: [{ retain: 5 }, { insert: ', dear' }] },
      { path: ['title'], before: 'by Ada', after: 'by Bob' },
    ],
    restored: first,
  });
  await sees(ada, { title: 'by Ada', body: 'Hello world' });
  const [last] = await history(ada, began);
  assert.deepEqual(last, {
    who: 'Bob',
    key: bobKey,
    message: 'back',
    what: 'edit body,title',
    timely: true,
  });
});
