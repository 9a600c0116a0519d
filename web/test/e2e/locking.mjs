// What opens a profile: a passphrase, and a passkey of Chromium's virtual authenticator.

import assert from 'node:assert/strict';
import { add, createSpace, sees, world } from './harness.mjs';
import { Profile } from './profile.mjs';

const { test, peer, start } = world();

/** Everything in the databases of this origin, as text. Runs on a page. */
async function stored() {
  const text = (value) => {
    if (value instanceof ArrayBuffer) return text(new Uint8Array(value));
    if (ArrayBuffer.isView(value)) return Array.from(value, (b) => b.toString(16).padStart(2, '0')).join('');
    return value instanceof CryptoKey ? 'a CryptoKey' : JSON.stringify(value);
  };
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
      for (const [i, key] of keys.entries()) all.push(`${name} ${from} ${text(key)} ${text(values[i])}`);
    }
    db.close();
  }
  return all;
}

const opens = (storage) => ({ identity: 'Ada', config: { storage } });

/** What opening the page's client with these options comes to. */
function tryOpen(tab, storage) {
  return tab.run((o) => outcome(open(o)).then(({ value, ...failure }) => failure), opens(storage));
}

/** Reloads the page and opens its client with these options; `space` is the one that is there. */
async function reopen(tab, storage) {
  await tab.reload();
  await tab.open(opens(storage));
  await tab.run(() => {
    globalThis.space = client.spaces.get()[0];
  });
  await sees(tab, { title: 'kept' });
}

test('a passphrase opens the profile and nothing else does, nor touches anything', async () => {
  const ada = await peer('Ada', { client: false });
  await ada.open(opens({ passphrase: 'correct horse' }));
  await createSpace(ada);
  await add(ada, { title: 'kept' });
  assert.deepEqual(await ada.run(() => client.status.get().storage.passphrase), true);
  await ada.run(() => client.destroy());
  const before = await ada.run(stored);
  assert.ok(before.length > 5, `${before.length} records`);
  for (const [storage, code] of [
    [{}, 'PASSPHRASE_REQUIRED'],
    [{ passkey: true }, 'PASSPHRASE_REQUIRED'],
    [{ passphrase: 'correct hors' }, 'WRONG_PASSPHRASE'],
    [{ passphrase: '' }, 'INVALID_ARGUMENT'],
    [{ passphrase: 'x'.repeat(1025) }, 'INVALID_ARGUMENT'],
    [{ passphrase: '\ud800' }, 'INVALID_ARGUMENT'],
  ]) {
    const failure = await tryOpen(ada, storage);
    assert.equal(failure.code, code);
    if (code === 'PASSPHRASE_REQUIRED') assert.deepEqual([failure.passphrase, failure.passkeys], [true, 0]);
    assert.deepEqual(await ada.run(stored), before, `${code} changed what is stored`);
  }
  await reopen(ada, { passphrase: 'correct horse' });
  // The accented letter as one character, and as two.
  await ada.run(() => client.setPassphrase('caf\u00e9'));
  await reopen(ada, { passphrase: 'cafe\u0301' });
  assert.equal((await tryOpen(ada, { passphrase: 'correct horse' })).code, 'WRONG_PASSPHRASE');
  await ada.run(() => client.setPassphrase(null));
  await reopen(ada, {});
  assert.equal((await tryOpen(ada, { passphrase: 'caf\u00e9' })).code, 'WRONG_PASSPHRASE');
});

test('T02 each tab needs the passphrase, and a client opens again with the one that it set', async () => {
  const one = await peer('Ada', { client: false });
  await one.open(opens({ passphrase: 'one' }));
  await createSpace(one);
  const two = await peer('second tab', { context: one.context, client: false });
  assert.equal((await tryOpen(two, {})).code, 'PASSPHRASE_REQUIRED');
  await two.open(opens({ passphrase: 'one' }));
  await one.run(() => client.setPassphrase('two'));
  const stale = await two.run(() => outcome(client.setPassphrase('three')));
  assert.equal(stale.code, 'PASSPHRASE_REQUIRED');
  await add(one, { title: 'kept' });
  await two.run(() => {
    globalThis.space = client.spaces.get()[0];
  });
  await sees(two, { title: 'kept' }); // who has the profile open keeps it open
  await one.run(async () => {
    await client.destroy();
    await client.initialize();
  });
  const codes = await one.run(async () => {
    const closed = new es.Client();
    return Promise.all(
      [() => closed.setPassphrase('x'), () => closed.addPasskey(), () => closed.removePasskeys()].map(
        (call) => outcome(call).then(({ code }) => code),
      ),
    );
  });
  assert.deepEqual(codes, Array(3).fill('NOT_INITIALIZED'));
});

test('C05 who forgot the passphrase can erase the profile and begin anew', async () => {
  const ada = await peer('Ada', { client: false });
  await ada.open(opens({ passphrase: 'forgotten' }));
  const after = await ada.run(async () => {
    await client.destroy();
    const other = new es.Client({ config: { storage: { passphrase: 'a guess' } } });
    const codes = [(await outcome(other.reset())).code, (await outcome(other.initialize())).code];
    await other.reset();
    const fresh = [other.initialized, other.halo.identity.get(), other.status.get().storage.passphrase];
    await other.destroy();
    return [...codes, ...fresh];
  });
  assert.deepEqual(after, ['NOT_INITIALIZED', 'WRONG_PASSPHRASE', true, null, true]);
});

test('a copied profile opens nothing without its passphrase', async () => {
  const { url } = await start();
  const profile = await Profile.make();
  let copy;
  try {
    await profile.launch();
    const ada = await profile.tab(url, 'Ada');
    await ada.open(opens({ passphrase: 'correct horse' }));
    await createSpace(ada);
    await add(ada, { title: 'kept' });
    await profile.close();
    copy = await profile.copy();
    await copy.launch();
    const thief = await copy.tab(url, 'thief');
    assert.equal((await tryOpen(thief, {})).code, 'PASSPHRASE_REQUIRED');
    assert.equal((await tryOpen(thief, { passphrase: 'a guess' })).code, 'WRONG_PASSPHRASE');
    assert.deepEqual(await thief.run(() => globalThis.client), undefined);
    await reopen(thief, { passphrase: 'correct horse' }); // the copy is whole
  } finally {
    await profile.kill();
    await copy?.kill();
    await profile.remove();
    await copy?.remove();
  }
});

/** Gives a page a virtual authenticator; the CDP session and the authenticator's id are for changing it. */
async function authenticator(tab, options = {}) {
  const cdp = await tab.context.newCDPSession(tab.page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      hasPrf: true,
      ...options,
    },
  });
  return { cdp, authenticatorId };
}

/** A page under a name, as passkeys want it: they are for no address. */
async function named() {
  const { url } = await start();
  const ada = await peer('Ada', { client: false });
  await ada.load(url.replace('127.0.0.1', 'localhost'));
  return ada;
}

test('a passkey opens the profile, beside the passphrase and alone', async () => {
  const ada = await named();
  const { cdp, authenticatorId } = await authenticator(ada);
  await ada.open(opens({ passphrase: 'words' }));
  await createSpace(ada);
  await add(ada, { title: 'kept' });
  await ada.run(() => client.addPasskey());
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId });
  assert.deepEqual(
    credentials.map(({ userName, rpId }) => [userName, rpId]),
    [['Ada', 'localhost']],
  );
  const storage = () => ada.run(() => client.status.get().storage);
  assert.deepEqual([(await storage()).passphrase, (await storage()).passkeys], [true, 1]);
  await reopen(ada, { passphrase: 'words' });
  await reopen(ada, { passkey: true });
  await ada.run(() => client.setPassphrase(null));
  await reopen(ada, { passkey: true });
  assert.deepEqual([(await storage()).passphrase, (await storage()).passkeys], [false, 1]);

  await ada.run(() => client.destroy());
  const before = await ada.run(stored);
  const refused = async (storage, code) => {
    assert.equal((await tryOpen(ada, storage)).code, code);
    assert.deepEqual(await ada.run(stored), before, `${code} changed what is stored`);
  };
  await refused({}, 'PASSPHRASE_REQUIRED');
  await refused({ passphrase: 'words' }, 'PASSPHRASE_REQUIRED');
  // A person who is not recognised; the authenticator may be blocked from then on.
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await refused({ passkey: true }, 'CANCELLED');
});

test('a passkey of another authenticator, and one that gives no secret', async () => {
  const ada = await named();
  const first = await authenticator(ada);
  await ada.open(opens({}));
  await createSpace(ada);
  await add(ada, { title: 'kept' });
  await ada.run(() => client.addPasskey({ name: 'first' }));
  const remove = ({ cdp, authenticatorId }) =>
    cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
  const { credentials } = await first.cdp.send('WebAuthn.getCredentials', {
    authenticatorId: first.authenticatorId,
  });
  assert.equal(credentials[0].userName, 'first');
  await remove(first);
  const second = await authenticator(ada);
  await ada.run(() => client.addPasskey({ name: 'second' })); // either opens it
  await reopen(ada, { passkey: true });
  await remove(second);
  const without = await authenticator(ada, { hasPrf: false });
  const secretless = await ada.run(async () => (await outcome(client.addPasskey())).code);
  assert.equal(secretless, 'UNSUPPORTED_BROWSER');
  assert.equal(await ada.run(() => client.status.get().storage.passkeys), 2);
  await remove(without);
  await ada.run(() => client.removePasskeys());
  await reopen(ada, {});
  await ada.run(() => client.destroy());
  await authenticator(ada);
  const codes = await ada.run(async () => {
    await client.initialize();
    await client.addPasskey();
    await client.destroy();
    const unasked = await outcome(client.initialize());
    delete globalThis.PublicKeyCredential;
    const lacking = await outcome(open({ config: { storage: { passkey: true } } }));
    return [unasked.code, lacking.code];
  });
  assert.deepEqual(codes, ['PASSPHRASE_REQUIRED', 'UNSUPPORTED_BROWSER']);
});
