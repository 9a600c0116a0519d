// Where the key of the device is: in WebCrypto, in both browsers, or sealed.

import assert from 'node:assert/strict';
import { after, test as nodeTest } from 'node:test';
import {
  add,
  createSpace,
  join,
  limit,
  openChromium,
  openFirefox,
  openFirefoxPeer,
  openPeer,
  Peer,
  Server,
  sees,
} from './harness.mjs';

const path = `web/test/e2e/page.html?limit=${limit}`;
let server;
const browsers = {};
after(async () => {
  for (const browser of Object.values(browsers)) await browser?.close();
  await server?.stop();
});

const engines = {
  Chromium: { launch: openChromium, open: openPeer },
  Firefox: { launch: openFirefox, open: openFirefoxPeer },
};

/** Defines a test in both browsers, as far as they are installed. It gets a function that opens a new profile. */
function test(name, f) {
  for (const [engine, { launch, open }] of Object.entries(engines)) {
    nodeTest(`${name}, ${engine}`, { timeout: 3 * limit }, async () => {
      server ??= await Server.start();
      browsers[engine] ??= await launch();
      if (!browsers[engine]) return assert.equal(engine, 'Firefox', 'there is no browser');
      const peers = [];
      const profile = async (name) => {
        const peer = await open(browsers[engine], server.url + path, name);
        peers.push(peer);
        return peer;
      };
      try {
        await f(profile);
        assert.deepEqual(
          peers.flatMap((peer) => peer.problems),
          [],
        );
      } finally {
        for (const peer of peers) await peer.close();
      }
    });
  }
}

/** A further tab of a profile. */
async function tab(peer) {
  const page = await peer.context.newPage();
  page.setDefaultTimeout(limit);
  const other = new Peer(`${peer.name}'s other tab`, page, () => page.close());
  await other.load(server.url + path);
  return other;
}

const keyStorage = (peer) => peer.run(() => client.halo.device.keyStorage);
const deviceKey = (peer) => peer.run(() => client.halo.device.deviceKey.toHex());

/** What there is of keys under `device/` in the databases of the page's origin, and what exporting them comes to. */
function handles(peer) {
  return peer.run(async () => {
    const asked = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const all = [];
    for (const { name } of await indexedDB.databases()) {
      const db = await asked(indexedDB.open(name));
      for (const from of db.objectStoreNames) {
        const store = db.transaction(from).objectStore(from);
        const [keys, values] = await Promise.all([asked(store.getAllKeys()), asked(store.getAll())]);
        for (const [i, key] of keys.entries()) {
          if (typeof key !== 'string' || !key.startsWith('device/')) continue;
          const exported = {};
          for (const format of ['pkcs8', 'jwk', 'raw']) {
            exported[format] = await crypto.subtle.exportKey(format, values[i]).then(
              () => 'exported',
              (error) => error.name,
            );
          }
          all.push({
            device: key.slice('device/'.length),
            algorithm: values[i].algorithm.name,
            extractable: values[i].extractable,
            pkcs8: exported.pkcs8,
            jwk: exported.jwk,
            raw: exported.raw === 'exported',
          });
        }
      }
      db.close();
    }
    return all;
  });
}

test('a device key is the browser’s: not exportable, the same after a reload and in a second tab, gone after reset', async (profile) => {
  const ada = await profile('Ada');
  await ada.open({ identity: 'Ada' });
  assert.equal(await keyStorage(ada), 'WEBCRYPTO');
  const device = await deviceKey(ada);
  const only = {
    device,
    algorithm: 'Ed25519',
    extractable: false,
    pkcs8: 'InvalidAccessError',
    jwk: 'InvalidAccessError',
    raw: false,
  };
  assert.deepEqual(await handles(ada), [only]);
  await createSpace(ada);
  await add(ada, { title: 'first' });

  await ada.reload();
  await ada.open({ identity: 'Ada' });
  assert.deepEqual([await keyStorage(ada), await deviceKey(ada)], ['WEBCRYPTO', device]);
  const use = () => {
    globalThis.space = client.spaces.get()[0];
  };
  await ada.run(use);
  await sees(ada, { title: 'first' });
  await add(ada, { title: 'second' });

  const second = await tab(ada);
  try {
    await second.open({ identity: 'Ada' });
    assert.deepEqual([await keyStorage(second), await deviceKey(second)], ['WEBCRYPTO', device]);
    await second.run(use);
    await sees(second, { title: 'second' });
    await add(second, { title: 'third' });
    await sees(ada, { title: 'third' });
    assert.deepEqual(await handles(second), [only]);
    await second.run(() => client.destroy());
    assert.deepEqual(second.problems, []);
  } finally {
    await second.close();
  }

  // What both tabs signed another browser profile takes in.
  const bob = await profile('Bob');
  await bob.open({ identity: 'Bob' });
  await join(ada, bob);
  await sees(bob, { title: 'first' });
  await sees(bob, { title: 'third' });

  await ada.run(() => client.reset());
  assert.deepEqual(await handles(ada), []);
  await ada.run(() => client.halo.createIdentity());
  const [made, ...others] = await handles(ada);
  assert.deepEqual([others, await keyStorage(ada)], [[], 'WEBCRYPTO']);
  assert.notEqual(made.device, device);
});

test('a profile with a passphrase, and one that was made with a sealed key, have none of the browser', async (profile) => {
  for (const made of [{ passphrase: 'correct horse' }, { deviceKey: 'SEALED' }]) {
    const ada = await profile('Ada');
    const again = { passphrase: made.passphrase };
    await ada.open({ identity: 'Ada', config: { storage: made } });
    assert.deepEqual([await keyStorage(ada), await handles(ada)], ['SEALED', []]);
    const device = await deviceKey(ada);
    await createSpace(ada);
    await ada.reload();
    await ada.open({ identity: 'Ada', config: { storage: again } });
    assert.deepEqual(
      [await keyStorage(ada), await deviceKey(ada), await handles(ada)],
      ['SEALED', device, []],
    );
    await ada.run(() => {
      globalThis.space = client.spaces.get()[0];
    });
    await add(ada, { title: 'signed' });
  }
});

test('a passphrase that comes later leaves the key where the page is told it is', async (profile) => {
  const ada = await profile('Ada');
  await ada.open({ identity: 'Ada' });
  await ada.run(() => client.setPassphrase('later'));
  assert.equal(await keyStorage(ada), 'WEBCRYPTO');
  await ada.reload();
  const refused = await ada.run(() => outcome(open({ identity: 'Ada' })).then(({ code }) => code));
  assert.equal(refused, 'PASSPHRASE_REQUIRED');
  await ada.open({ identity: 'Ada', config: { storage: { passphrase: 'later' } } });
  assert.equal(await keyStorage(ada), 'WEBCRYPTO');
});

test('a browser without Ed25519 in WebCrypto has the key sealed', async (profile) => {
  const ada = await profile('Ada');
  await ada.run(() => {
    const { generateKey } = SubtleCrypto.prototype;
    SubtleCrypto.prototype.generateKey = function (algorithm, ...rest) {
      if (algorithm === 'Ed25519')
        return Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError'));
      return generateKey.call(this, algorithm, ...rest);
    };
  });
  await ada.open({ identity: 'Ada' });
  assert.deepEqual([await keyStorage(ada), await handles(ada)], ['SEALED', []]);
  const device = await deviceKey(ada);
  await ada.reload(); // and it stays so where there is one
  await ada.open({ identity: 'Ada' });
  assert.deepEqual([await keyStorage(ada), await deviceKey(ada)], ['SEALED', device]);
});
