import assert from 'node:assert/strict';
import { add, createSpace, join, sees, share, world } from './harness.mjs';

const { test, peer } = world();

/** A page without an identity. */
const stranger = (name) => peer(name, { identity: null });

/** Makes a recovery phrase on a peer, types it back, and gives its words. */
function phraseOf(person) {
  return person.run(async () => {
    const recovery = await client.halo.createRecoveryPhrase();
    await recovery.confirm(recovery.words);
    return recovery.words.join(' ');
  });
}

/** Gets the identity back; gives the outcome, and the identity's key as `value`. */
function recoverOn(someone, words, options = {}) {
  return someone.run(
    async ({ words, options }) => {
      const result = await outcome(client.halo.recoverIdentity(words, options));
      const { code, reason, word } = result;
      return { code, reason, word, key: client.halo.identity.get()?.identityKey.toHex() };
    },
    { words, options },
  );
}

/** Waits until a recovered peer may write to a space, and keeps it as `space`. */
function returns(someone, key) {
  return someone.run(async (key) => {
    await until(() => client.getSpace(key)?.isOpen, 'the space is open');
    globalThis.space = client.getSpace(key);
    await until(() => space.members.get().some((m) => m.self && m.mayWrite !== false), 'it is a member');
  }, key);
}

const keyOf = (person) => person.run(() => client.halo.identity.get().identityKey.toHex());

/** Waits until what is in `space` is stored with somebody else. */
const handedOver = (person) => person.run(() => space.db.flush({ to: 'peer' }));

/** Ends a page and all that it stored. */
async function lose(person) {
  await person.run(() => client.reset());
  await person.close();
}

test('H10 all profiles of the identity are gone, one other member is online: identity, spaces and own feeds are back', async () => {
  const ada = await peer('Ada');
  const bob = await peer('Bob');
  const pocket = await stranger('her pocket');
  await ada.run(() => client.halo.updateProfile({ displayName: 'Ada' }));
  const key = await share(ada, bob);
  const { code, authCode } = await ada.run(() => client.halo.createInvitation().get());
  await pocket.run(
    async ({ code, authCode }) => {
      await client.halo.acceptInvitation(code).authenticate(authCode);
    },
    { code, authCode },
  );
  await returns(pocket, key);
  await add(ada, { from: 'Ada, before' });
  await add(pocket, { from: 'her pocket, before' });
  for (const from of ['Ada, before', 'her pocket, before']) await sees(bob, { from });
  assert.deepEqual(await ada.run(() => client.halo.recovery.get()), { exists: false });
  const words = await phraseOf(ada);
  assert.equal(words.split(' ').length, 12);
  const told = await ada.run(() => client.halo.recovery.get());
  assert.ok(told.exists && told.createdAt > 0);
  await pocket.run(() => until(() => client.halo.recovery.get().exists, 'the other device knows'));
  await handedOver(ada); // to Bob, or to her pocket
  await bob.run(() =>
    until(
      async () => (await space.audit()).some(({ action }) => action === 'RECOVERY_ADDED'),
      'Bob can help',
    ),
  );
  const was = await keyOf(ada);
  await lose(pocket);
  await lose(ada);

  const again = await stranger('Ada again');
  assert.deepEqual(await recoverOn(again, `  ${words.toUpperCase()}\n`), {
    code: undefined,
    reason: undefined,
    word: undefined,
    key: was,
  });
  assert.equal(await again.run(() => client.halo.identity.get().displayName), 'Ada');
  await returns(again, key);
  for (const from of ['Ada, before', 'her pocket, before']) await sees(again, { from });
  await bob.run(() =>
    until(() => space.members.get().some((m) => m.devices.length > 2), 'Bob knows the device'),
  );
  await add(again, { from: 'Ada, after' });
  await sees(bob, { from: 'Ada, after' });
  await add(bob, { from: 'Bob, after' });
  await sees(again, { from: 'Bob, after' });
  assert.ok(await again.run(() => until(() => client.halo.recovery.get().exists)));

  await again.reload();
  await again.open();
  assert.equal(await keyOf(again), was);
  await returns(again, key);
  for (const from of ['Ada, before', 'Bob, after']) await sees(again, { from });
  await add(again, { from: 'Ada, after a reload' });
  await sees(bob, { from: 'Ada, after a reload' });
});

test('H10 several spaces come back, each when one of its members is online', async () => {
  const [ada, bob, eve] = [await peer('Ada'), await peer('Bob'), await peer('Eve')];
  const withBob = await share(ada, bob);
  await add(ada, { from: 'with Bob' });
  await handedOver(ada);
  const withEve = await createSpace(ada);
  await join(ada, eve);
  await add(ada, { from: 'with Eve' });
  await sees(eve, { from: 'with Eve' });
  const words = await phraseOf(ada);
  await handedOver(ada);
  await ada.run((key) => client.getSpace(key).db.flush({ to: 'peer' }), withBob);
  await eve.run(() => client.mesh.goOffline());
  await lose(ada);

  const again = await stranger('Ada again');
  assert.equal((await recoverOn(again, words)).code, undefined);
  await returns(again, withBob);
  await sees(again, { from: 'with Bob' });
  const missing = await again.run(async (key) => {
    await until(() => client.getSpace(key)?.isOpen);
    return client.getSpace(key).db.query({}).objects.length;
  }, withEve);
  assert.equal(missing, 0);
  await eve.run(() => client.mesh.goOnline());
  await returns(again, withEve);
  await sees(again, { from: 'with Eve' });
});

test('H10 a phrase that was replaced recovers nothing, the new one does', async () => {
  const [ada, bob] = [await peer('Ada'), await peer('Bob')];
  const key = await share(ada, bob);
  const old = await phraseOf(ada);
  const words = await phraseOf(ada);
  await handedOver(ada);
  const was = await keyOf(ada);
  await lose(ada);
  const again = await stranger('Ada again');
  assert.equal((await recoverOn(again, old, { timeout: 4000 })).code, 'TIMEOUT');
  assert.equal((await recoverOn(again, words)).key, was);
  await returns(again, key);
});

test('H11 a wrong phrase is refused, by count, word and checksum, and nothing is looked for', async () => {
  const ada = await stranger('Ada');
  const abandon = Array(12).fill('abandon');
  for (const [words, reason, word] of [
    [abandon.slice(1), 'length', undefined],
    [[], 'length', undefined],
    [abandon.with(2, 'xylophone'), 'word', 3],
    [abandon, 'checksum', undefined],
  ]) {
    const { code, ...rest } = await recoverOn(ada, words.join(' '));
    assert.equal(code, 'INVALID_PHRASE');
    assert.deepEqual(rest, { reason, word, key: undefined });
  }
  assert.equal((await recoverOn(ada, 7)).code, 'INVALID_ARGUMENT');
  const aborted = await ada.run(async (words) => {
    const abort = new AbortController();
    const ended = outcome(client.halo.recoverIdentity(words, { signal: abort.signal }));
    setTimeout(() => abort.abort(), 200);
    const { code } = await ended;
    const { code: before } = await outcome(client.halo.recoverIdentity(words, { signal: abort.signal }));
    return [code, before];
  }, abandon.with(11, 'about').join(' '));
  assert.deepEqual(aborted, ['CANCELLED', 'CANCELLED']);
  assert.equal((await outcomeOfCreation(ada)).code, 'NO_IDENTITY');
  await ada.run(() => client.halo.createIdentity());
  assert.equal((await recoverOn(ada, abandon.with(11, 'about').join(' '))).code, 'IDENTITY_EXISTS');
});

const outcomeOfCreation = (person) => person.run(() => outcome(client.halo.createRecoveryPhrase()));

test('H11 the words must be typed back', async () => {
  const ada = await peer('Ada');
  const results = await ada.run(async () => {
    const recovery = await client.halo.createRecoveryPhrase();
    const wrong = recovery.words.with(6, recovery.words[6] === 'zoo' ? 'zone' : 'zoo');
    const of = async (typed) => {
      const { code, reason, word } = await outcome(recovery.confirm(typed));
      return [code, reason, word];
    };
    const list = [await of(wrong), await of(recovery.words.slice(0, 11)), await of('')];
    const before = client.halo.recovery.get().exists;
    const right = await of(recovery.words.join('  ').toUpperCase());
    const cancelled = await client.halo.createRecoveryPhrase();
    cancelled.cancel();
    const { code } = await outcome(cancelled.confirm(cancelled.words));
    return { list, before, right, after: client.halo.recovery.get().exists, code };
  });
  assert.deepEqual(results, {
    list: [
      ['INVALID_PHRASE', 'word', 7],
      ['INVALID_PHRASE', 'length', undefined],
      ['INVALID_PHRASE', 'length', undefined],
    ],
    before: false,
    right: [undefined, undefined, undefined],
    after: true,
    code: 'CANCELLED',
  });
});
