import assert from 'node:assert/strict';
import { accept, add, authenticate, createSpace, join, outcomeOf, sees, share, world } from './harness.mjs';

const { test, peer, sharedPeer } = world();

const three = async () => [await sharedPeer('Ada'), await sharedPeer('Bob'), await sharedPeer('Eve')];

/** Waits until the members of `space` on a peer have these roles, by name. */
function roles(who, wanted) {
  return who.run(async (wanted) => {
    const now = () =>
      JSON.stringify(
        Object.fromEntries(
          space.members
            .get()
            .map((m) => [m.displayName, m.role])
            .sort(),
        ),
      );
    await until(() => now() === wanted, `the roles are ${wanted}`).catch((error) => {
      throw new Error(`${error.message}; they are ${now()}`);
    });
  }, JSON.stringify(wanted));
}

/** Gives the key of a peer's identity. */
const keyOf = (who) => who.run(() => client.halo.identity.get().identityKey.toHex());

/** Has a peer do something to a member of `space`; gives the code of the error, if any. */
function act(who, what, ...args) {
  return who.run(async ({ what, args }) => (await outcome(space[what](...args))).code, { what, args });
}

test('S16 roles: an ADMIN admits, an EDITOR does not, a READER reads', async () => {
  const [ada, bob, eve] = await three();
  await share(ada, bob);
  const bobKey = await keyOf(bob);
  assert.equal((await outcomeOf(bob, () => space.createInvitation())).code, 'NOT_PERMITTED');
  await act(ada, 'setRole', bobKey, 'ADMIN');
  for (const who of [ada, bob]) await roles(who, { Ada: 'OWNER', Bob: 'ADMIN' });
  await join(bob, eve);
  for (const who of [ada, bob, eve]) await roles(who, { Ada: 'OWNER', Bob: 'ADMIN', Eve: 'EDITOR' });

  assert.equal(await act(bob, 'setRole', await keyOf(ada), 'EDITOR'), 'NOT_PERMITTED');
  assert.equal(await act(ada, 'setRole', await keyOf(ada), 'EDITOR'), 'NOT_PERMITTED', 'the last OWNER');
  assert.equal(await act(ada, 'setRole', `${'00'.repeat(31)}07`, 'EDITOR'), 'NOT_FOUND');
  assert.equal(await act(ada, 'setRole', bobKey, 'KING'), 'INVALID_ARGUMENT');

  await act(ada, 'setRole', bobKey, 'READER');
  for (const who of [ada, bob, eve]) await roles(who, { Ada: 'OWNER', Bob: 'READER', Eve: 'EDITOR' });
  assert.equal((await outcomeOf(bob, () => space.db.add({ title: 'no' }))).code, 'NOT_PERMITTED');
  await add(eve, { title: 'for all' });
  await sees(bob, { title: 'for all' });
  await act(ada, 'setRole', bobKey, 'EDITOR');
  await roles(bob, { Ada: 'OWNER', Bob: 'EDITOR', Eve: 'EDITOR' });
  await add(bob, { title: 'an editor again' });
  await sees(ada, { title: 'an editor again' });
});

test('S17 a removed member reads and writes nothing more, and can be invited again', async () => {
  const [ada, bob, eve] = await three();
  await share(ada, bob, eve);
  await add(eve, { title: 'before' });
  for (const who of [ada, bob]) await sees(who, { title: 'before' });
  assert.equal(await act(eve, 'removeMember', await keyOf(ada)), 'NOT_PERMITTED');
  assert.equal(await act(ada, 'removeMember', await keyOf(eve)), undefined);
  for (const who of [ada, bob, eve]) await roles(who, { Ada: 'OWNER', Bob: 'EDITOR' });
  await add(bob, { title: 'secret' });
  await sees(ada, { title: 'secret' });
  await sees(ada, { title: 'before' });
  await eve.run(() =>
    until(() => space.members.get().every((m) => m.presence === 'OFFLINE'), 'nobody is there'),
  );
  const left = await eve.run(async () => {
    const write = await outcome(() => space.db.add({ title: 'no' }));
    return { write: write.code, secret: space.db.query({ title: 'secret' }).objects.length };
  });
  assert.deepEqual(left, { write: 'NOT_PERMITTED', secret: 0 });

  await join(ada, eve);
  await sees(eve, { title: 'secret' });
  await add(eve, { title: 'back' });
  for (const who of [ada, bob]) await sees(who, { title: 'back' });
});

test('S17 who was offline during a removal finds the others again', async () => {
  const [ada, bob, eve] = await three();
  await share(ada, bob, eve);
  await bob.run(() => client.mesh.goOffline());
  await act(ada, 'removeMember', await keyOf(eve));
  await add(ada, { title: 'meanwhile' });
  await add(bob, { title: 'offline' });
  await bob.run(() => client.mesh.goOnline());
  await sees(bob, { title: 'meanwhile' });
  await sees(ada, { title: 'offline' });
  for (const who of [ada, bob]) await roles(who, { Ada: 'OWNER', Bob: 'EDITOR' });
});

test('S17 blocks that came before the removal was known and do not count are taken back', async () => {
  const [ada, bob, eve] = await three();
  await share(ada, bob, eve);
  await add(eve, { title: 'before' });
  for (const who of [ada, bob]) await sees(who, { title: 'before' });
  await ada.run(() => client.mesh.goOffline());
  await act(ada, 'removeMember', await keyOf(eve));
  await add(eve, { title: 'beyond' }); // Eve and Bob do not know yet
  await sees(bob, { title: 'beyond' });
  await ada.run(() => client.mesh.goOnline());
  // The page sees neither a closed space nor an error meanwhile.
  const closed = await bob.run(async () => {
    let closed = 0;
    await eachTask(() => {
      if (!space.isOpen) closed++;
      return space.db.query({ title: 'beyond' }).objects.length > 0;
    });
    return closed;
  });
  assert.equal(closed, 0);
  await roles(bob, { Ada: 'OWNER', Bob: 'EDITOR' });
  await sees(bob, { title: 'before' });
  await add(bob, { title: 'after' });
  await sees(ada, { title: 'after' });
  assert.equal(await ada.run(() => space.db.query({ title: 'beyond' }).objects.length), 0);
});

test('S16 a member leaves: its work stays, its copy goes, also in its other tab', async () => {
  const ada = await sharedPeer('Ada');
  const bob = await peer('Bob');
  await share(ada, bob);
  const tab = await peer('Bob, again', { context: bob.context, identity: null });
  await tab.run(async () => {
    globalThis.space = await until(() => client.spaces.get()[0], 'the other tab has the space');
  });
  await add(bob, { title: 'stays' });
  await sees(ada, { title: 'stays' });
  assert.equal(await act(ada, 'leave'), 'NOT_PERMITTED', 'the last OWNER');
  assert.equal(await act(bob, 'leave'), undefined);
  await roles(ada, { Ada: 'OWNER' });
  await sees(ada, { title: 'stays' });
  for (const who of [bob, tab]) {
    await who.run(() => until(() => client.spaces.get().length === 0 && !space.isOpen, 'the space is gone'));
  }
  await bob.reload();
  await bob.open();
  assert.equal(await bob.run(() => client.spaces.get().length), 0);

  const { code, authCode } = await ada.run(() => {
    globalThis.offered = space.createInvitation();
    return offered.get();
  });
  await accept(bob, code);
  assert.equal((await authenticate(bob, authCode)).code, undefined);
  await sees(bob, { title: 'stays' });
});

test('I21 a delegated invitation: another admin admits while its author is away', async () => {
  const [ada, bob] = await three();
  const fred = await peer('Fred');
  const late = await peer('Late');
  await share(ada, bob);
  await act(ada, 'setRole', await keyOf(bob), 'ADMIN');
  await roles(bob, { Ada: 'OWNER', Bob: 'ADMIN' });
  const { code, authCode } = await ada.run(async () => {
    globalThis.offered = space.createInvitation({ delegated: true, role: 'READER' });
    return offered.get();
  });
  const atBob = await bob.run(async () => {
    const [invitation] = await until(
      () => space.invitations.get().length === 1 && space.invitations.get(),
      'handed on',
    );
    const { type, code, authCode } = invitation.get();
    return { type, code, authCode };
  });
  assert.deepEqual(atBob, { type: 'DELEGATED', code, authCode });
  await ada.run(() => client.mesh.goOffline());
  await accept(fred, code);
  assert.equal((await authenticate(fred, authCode)).code, undefined);
  await roles(fred, { Ada: 'OWNER', Bob: 'ADMIN', Fred: 'READER' });
  await ada.run(() => client.mesh.goOnline());
  await ada.run(() => until(() => offered.get().state === 'SUCCESS', 'it is used up here too'));
  for (const who of [ada, bob])
    await who.run(() => until(() => space.invitations.get().length === 0, 'it is gone'));
  const logged = await ada.run(async () => {
    const { invitationId } = offered.get();
    const other = space.createInvitation({ delegated: true });
    const second = await until(() => other.get().invitationId, 'another');
    await until(async () => (await space.audit()).some((e) => e.invitationId === second), 'handed out');
    await other.cancel();
    const log = await until(async () => {
      const list = await space.audit();
      return list.at(-1).action === 'INVITATION_ENDED' && list;
    }, 'it is ended');
    const say = ({ action, subject, text = '', role = '' }) =>
      [action, subject.displayName, role || text].join(' ');
    return [invitationId, second].map((id) => log.filter((e) => e.invitationId === id).map(say));
  });
  assert.deepEqual(logged, [
    ['INVITED Ada READER', 'ADMITTED Fred READER'],
    ['INVITED Ada EDITOR', 'INVITATION_ENDED Ada CANCELLED'],
  ]);
  await accept(late, code, { timeout: 3000 });
  assert.notEqual((await authenticate(late, authCode)).code, undefined);
});

/** Searches all that the origin keeps in IndexedDB for a text; runs in the page. */
async function findsStored(text) {
  const needle = [...new TextEncoder().encode(text)];
  const holds = (bytes) => {
    for (let i = bytes.indexOf(needle[0]); i >= 0; i = bytes.indexOf(needle[0], i + 1))
      if (needle.every((b, at) => bytes[i + at] === b)) return true;
    return false;
  };
  const has = (value) => {
    if (typeof value === 'string') return value.includes(text);
    if (value instanceof ArrayBuffer) return holds(new Uint8Array(value));
    if (ArrayBuffer.isView(value))
      return holds(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    if (value instanceof CryptoKey || value === null || typeof value !== 'object') return false;
    return Object.values(value).some(has);
  };
  const done = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const found = [];
  let records = 0;
  for (const { name } of await indexedDB.databases()) {
    const db = await done(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      const all = db.transaction(store).objectStore(store);
      const [values, keys] = [done(all.getAll()), done(all.getAllKeys())];
      records += (await values).length;
      if ((await values).some(has) || (await keys).some(has)) found.push(`${name}/${store}`);
    }
    db.close();
  }
  return { found, records };
}

test('S16 N11 a KEEPER carries what two write who never meet, and reads none of it', async () => {
  const canary = 'canary-6b1f0d3c-canary';
  const [ada, bob] = await three();
  const kim = await peer('Kim');
  await createSpace(ada);
  await join(ada, bob);
  await join(ada, kim, { role: 'KEEPER' });
  await bob.run(() => client.mesh.goOffline());
  await ada.run((canary) => {
    space.properties.name = canary;
  }, canary);
  for (const round of [1, 2]) {
    await add(ada, { title: `${canary} of Ada ${round}` });
    await ada.run(() => space.db.flush({ to: 'peer' })); // the KEEPER has stored it
    await ada.run(() => client.mesh.goOffline());
    await bob.run(() => client.mesh.goOnline());
    await sees(bob, { title: `${canary} of Ada ${round}` });
    await add(bob, { title: `${canary} of Bob ${round}` });
    await bob.run(() => space.db.flush({ to: 'peer' }));
    await bob.run(() => client.mesh.goOffline());
    await ada.run(() => client.mesh.goOnline());
    await sees(ada, { title: `${canary} of Bob ${round}` });
  }
  await bob.run(() => client.mesh.goOnline());
  await roles(kim, { Ada: 'OWNER', Bob: 'EDITOR', Kim: 'KEEPER' });
  assert.equal(await act(kim, 'removeMember', await keyOf(bob)), 'NOT_PERMITTED');
  assert.equal(await act(kim, 'setRole', await keyOf(kim), 'EDITOR'), 'NOT_PERMITTED');
  const read = await kim.run(async () => ({
    objects: space.db.query().objects.length,
    properties: JSON.stringify(space.properties),
    write: (await outcome(() => space.db.add({ title: 'no' }))).code,
    invite: (await outcome(() => space.createInvitation())).code,
  }));
  assert.deepEqual(read, { objects: 0, properties: '{}', write: 'NOT_PERMITTED', invite: 'NOT_PERMITTED' });

  const search = `(${findsStored})(${JSON.stringify(canary)})`;
  const before = await kim.run(search);
  assert.deepEqual(before.found, []);
  assert.ok(before.records > 10, `${before.records} records`);
  await kim.run(async (canary) => {
    const request = indexedDB.open('marker', 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore('s').put(new TextEncoder().encode(canary), 1);
    await new Promise((resolve) => {
      request.onsuccess = resolve;
    });
    request.result.close();
  }, canary);
  assert.deepEqual((await kim.run(search)).found, ['marker/s'], 'the search finds what is there');

  // It serves after a restart, to one who joins when only it was there for a while.
  await kim.reload();
  await kim.open();
  await kim.run(() => until(() => client.spaces.get()[0]?.isOpen, 'the KEEPER is back'));
});
