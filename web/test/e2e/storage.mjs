import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import puppeteer from 'puppeteer-core';
import {
  accept,
  add,
  authenticate,
  chromiumOptions,
  createSpace,
  eventually,
  join,
  offer,
  Peer,
  sees,
  world,
} from './harness.mjs';

const { test, peer, sharedPeer, start } = world();

/** Writes without end, telling `acknowledge` each number after its flush. Runs on a page. */
function writeOn() {
  globalThis.writing = (async () => {
    for (let n = 0; ; n++) {
      space.db.add({ n, text: 'x'.repeat(500) });
      await space.db.flush();
      acknowledge(n);
    }
  })();
}

/** The numbers that are stored, in order. Runs on a page. */
function numbers(key) {
  return client
    .getSpace(key)
    .db.query()
    .objects.map((o) => o.n)
    .sort((a, b) => a - b);
}

function assertAllThere(stored, acknowledged) {
  assert.ok(acknowledged.length > 0);
  const missing = acknowledged.filter((n) => !stored.includes(n));
  assert.deepEqual(missing, [], `acknowledged ${acknowledged.length}, stored ${stored.length}`);
  assert.equal(new Set(stored).size, stored.length, 'something is doubled');
}

test('T01 a reload in the middle of writes loses nothing that was acknowledged', async () => {
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  const acknowledged = [];
  await ada.page.exposeFunction('acknowledge', (n) => acknowledged.push(n));
  for (let round = 1; round <= 3; round++) {
    const before = acknowledged.length;
    await ada.run((k) => {
      globalThis.space = client.getSpace(k);
    }, key);
    // The next round goes on where this one ends.
    await ada.run(`(${writeOn})()`.replace('let n = 0', `let n = ${round * 100_000}`));
    await eventually(() => acknowledged.length > before + 20, 'some writes are acknowledged');
    await ada.reload();
    await ada.open();
    assertAllThere(await ada.run(numbers, key), acknowledged);
  }
});

test('T01 SIGKILL of the browser loses nothing that was acknowledged', async () => {
  const { url } = await start();
  const profile = await mkdtemp(joinPath(tmpdir(), 'echospace-profile-'));
  const open = async () => {
    const browser = await puppeteer.launch({ ...chromiumOptions, userDataDir: profile, headless: true });
    const ada = new Peer('Ada', await browser.newPage(), () => browser.close());
    await ada.load(url);
    await ada.open({ identity: 'Ada' });
    return { browser, ada };
  };
  try {
    const first = await open();
    const key = await createSpace(first.ada);
    const acknowledged = [];
    await first.ada.page.exposeFunction('acknowledge', (n) => {
      acknowledged.push(n);
    });
    await first.ada.run(`(${writeOn})()`);
    await eventually(() => acknowledged.length > 20, 'some writes are acknowledged');
    const gone = new Promise((resolve) => first.browser.once('disconnected', resolve));
    first.browser.process().kill('SIGKILL');
    await gone;
    const { browser, ada } = await open();
    try {
      assertAllThere(await ada.run(numbers, key), acknowledged);
      await ada.run((k) => client.getSpace(k).db.add({ n: -1 }) && client.getSpace(k).db.flush(), key);
      assert.deepEqual(ada.problems, []);
    } finally {
      await browser.close();
    }
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
});

test('T02 two tabs of one profile: both write, see, invite and accept', async () => {
  const one = await peer('Ada');
  const key = await createSpace(one);
  const two = await peer('Ada', { context: one.context });
  await two.run((key) => {
    globalThis.space = client.getSpace(key);
  }, key);
  await add(one, { by: 'one' });
  await add(two, { by: 'two' });
  await sees(one, { by: 'two' });
  await sees(two, { by: 'one' });
  // Both write at once; nothing forks, nothing is lost.
  await Promise.all(
    [one, two].map((tab, t) =>
      tab.run(async (t) => {
        for (let n = 0; n < 20; n++) {
          space.db.add({ t, n });
          if (n % 5 === 0) await space.db.flush();
        }
        await space.db.flush();
      }, t),
    ),
  );
  for (const tab of [one, two])
    await tab.run(() => until(() => space.db.query().objects.length === 42, 'the objects of both tabs'));
  const bob = await sharedPeer('Bob');
  const carol = await peer('Carol');
  await join(one, bob);
  await join(two, carol);
  for (const guest of [bob, carol])
    await guest.run(() => until(() => space.db.query().objects.length === 42, 'all objects'));
  for (const tab of [one, two])
    await tab.run(() => until(() => space.members.get().length === 3, 'three members'));
  // Each tab accepts, and the other has the space then.
  await createSpace(bob);
  const { code, authCode } = await offer(bob);
  await accept(two, code);
  assert.equal((await authenticate(two, authCode)).code, undefined);
  const joined = await two.run(() => space.key.toHex());
  await one.run(
    (key) => until(() => client.getSpace(key)?.isOpen, 'the other tab has the space too'),
    joined,
  );
  // Closing one leaves the other working.
  await two.close();
  await one.run((key) => {
    globalThis.space = client.getSpace(key);
  }, joined);
  await add(one, { after: 'the other was closed' });
  await sees(bob, { after: 'the other was closed' });
});

test('T03 storage full: STORAGE_FULL, nothing acknowledged is lost, and it works again', async () => {
  const ada = await peer('Ada', { client: false });
  ada.allow(/quota|STORAGE_FULL|QuotaExceeded/i);
  // Before the first transaction: the browser remembers for a while how much room there was.
  const { origin } = new URL(ada.page.url());
  const session = await ada.context.newCDPSession(ada.page);
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 2_000_000 });
  await ada.open({ identity: 'Ada' });
  const key = await createSpace(ada);
  await add(ada, { n: 1 });
  const code = await ada.run(async () => {
    for (let n = 0; n < 50; n++) {
      // Random bytes, since those that repeat take no room.
      for (let k = 0; k < 4; k++) space.db.add({ bytes: crypto.getRandomValues(new Uint8Array(60_000)) });
      const { code } = await outcome(space.db.flush());
      if (code) return code;
    }
    return undefined;
  });
  assert.equal(code, 'STORAGE_FULL');
  await session.send('Storage.overrideQuotaForOrigin', { origin });
  const again = await ada.run(async () => {
    await until(async () => !(await outcome(space.db.flush())).code, 'storing works again');
    space.db.add({ n: 2 });
    return outcome(space.db.flush());
  });
  assert.equal(again.code, undefined);
  await ada.reload();
  await ada.open();
  const found = await ada.run((k) => client.getSpace(k).db.query({ n: { $in: [1, 2] } }).objects.length, key);
  assert.equal(found, 2);
});

test('T05 data of a newer version is refused by name and left alone', async () => {
  const ada = await peer('Ada');
  await createSpace(ada);
  await ada.run(() => client.destroy());
  const result = await ada.run(async () => {
    const [{ name, version }] = await indexedDB.databases();
    // What a later version would leave behind.
    await new Promise((resolve, reject) => {
      const request = indexedDB.open(name, version + 1);
      request.onsuccess = () => resolve(request.result.close());
      request.onerror = () => reject(request.error);
    });
    return outcome(client.initialize());
  });
  assert.equal(result.code, 'VERSION_UNSUPPORTED', result.message);
});

test('T06 a private window works, and leaves nothing behind', async () => {
  // Contexts of the browser are what its private windows are.
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  await add(ada, { title: 'private' });
  assert.equal(await ada.run(() => client.status.get().state), 'open');
  await ada.close();
  const next = await peer('next', { identity: null });
  assert.equal(await next.run(() => client.halo.identity.get()), null);
  assert.equal(await next.run((k) => client.getSpace(k), key), undefined);
});

test('T07 a new version that opens while an old tab is up is not blocked, and the old tab says so', async () => {
  const old = await peer('Ada');
  await createSpace(old);
  await add(old, { title: 'kept' });
  const fresh = await peer('new version', { context: old.context, client: false });
  const upgraded = await fresh.run(async () => {
    const [{ name, version }] = await indexedDB.databases();
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(name, version + 1);
      request.onsuccess = () => {
        request.result.close();
        resolve(true);
      };
      request.onerror = () => reject(request.error);
    });
  });
  assert.equal(upgraded, true);
  const status = await old.run(async () => {
    await until(() => client.status.get().state !== 'open', 'the status changes');
    const { state, error } = client.status.get();
    return {
      state,
      code: error?.code,
      call: (await outcome(() => client.createSpace())).code,
      again: (await outcome(client.initialize())).code,
    };
  });
  assert.deepEqual(status, {
    state: 'closed',
    code: 'VERSION_UNSUPPORTED',
    call: 'NOT_INITIALIZED',
    again: 'VERSION_UNSUPPORTED',
  });
});
