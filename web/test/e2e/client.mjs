import assert from 'node:assert/strict';
import { add, createSpace, insecureHost, Peer, sees, share, world } from './harness.mjs';

const { test, peer, sharedPeer, start } = world();

test('P02 the auth code is there in the turn of createInvitation()', async () => {
  const ada = await sharedPeer('Ada');
  await createSpace(ada);
  const got = await ada.run(() => {
    const { authCode, code, state } = space.createInvitation().get();
    return { authCode, code, state };
  });
  assert.match(got.authCode, /^\d{6}$/);
  assert.ok(got.code.length > 0);
});

test('P05 spaces.get() is an array at any time', async () => {
  const ada = await peer('Ada', { client: false });
  const lists = await ada.run(async () => {
    const client = new es.Client();
    const before = client.spaces.get();
    const opening = client.initialize();
    const during = client.spaces.get();
    await opening;
    const after = client.spaces.get();
    await client.destroy();
    return [before, during, after, client.spaces.get()];
  });
  assert.deepEqual(lists, [[], [], [], []]);
});

test('P06 identity.get() is null or the identity right after initialize()', async () => {
  const ada = await peer('Ada', { client: false });
  const seen = await ada.run(async () => {
    const client = new es.Client();
    const before = client.halo.identity.get();
    await client.initialize();
    const none = client.halo.identity.get();
    await client.halo.createIdentity({ displayName: 'Ada' });
    await client.destroy();
    await client.initialize();
    const { displayName, identityKey } = client.halo.identity.get();
    return { before, none, displayName, key: identityKey.toHex() };
  });
  assert.equal(seen.before, null);
  assert.equal(seen.none, null);
  assert.equal(seen.displayName, 'Ada');
  assert.match(seen.key, /^[0-9a-f]{64}$/);
});

test('C01 initialize twice and destroy twice are harmless', async () => {
  const ada = await peer('Ada', { client: false });
  const states = await ada.run(async () => {
    const client = new es.Client();
    await client.destroy();
    await Promise.all([client.initialize(), client.initialize()]);
    await client.initialize();
    const open = client.status.get().state;
    await Promise.all([client.destroy(), client.destroy()]);
    await client.destroy();
    const closed = client.status.get().state;
    await client.initialize();
    return [open, closed, client.initialized, client.status.get().state];
  });
  assert.deepEqual(states, ['open', 'closed', true, 'open']);
});

test('C02 close and reopen: identity, spaces and objects are still there', async () => {
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  const id = await add(ada, { title: 'kept', nested: { n: 1 } });
  const reopened = await ada.run(
    async ({ key, id }) => {
      const { identityKey } = client.halo.identity.get();
      await client.destroy();
      await client.initialize();
      const same = client.halo.identity.get().identityKey.equals(identityKey);
      return { same, object: JSON.stringify(client.getSpace(key).db.get(id)) };
    },
    { key, id },
  );
  assert.deepEqual(reopened, { same: true, object: '{"nested":{"n":1},"title":"kept"}' });
  await ada.reload();
  await ada.open();
  const reloaded = await ada.run(
    ({ key, id }) => ({
      name: client.halo.identity.get()?.displayName,
      title: client.getSpace(key)?.db.get(id)?.title,
    }),
    { key, id },
  );
  assert.deepEqual(reloaded, { name: 'Ada', title: 'kept' });
});

test('C03 C04 createSpace() needs an identity, and there is one only', async () => {
  const ada = await peer('Ada', { identity: null });
  const codes = await ada.run(async () => {
    const none = await outcome(client.createSpace());
    await client.halo.createIdentity();
    const second = await outcome(client.halo.createIdentity());
    return [none.code, second.code, (await outcome(client.createSpace())).code];
  });
  assert.deepEqual(codes, ['NO_IDENTITY', 'IDENTITY_EXISTS', undefined]);
});

test('C05 reset wipes everything, then a new identity can be made', async () => {
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  await add(ada, { title: 'gone' });
  const after = await ada.run(async (key) => {
    const old = client.halo.identity.get().identityKey.toHex();
    await client.reset();
    const wiped = [client.halo.identity.get(), client.spaces.get().length, client.getSpace(key)];
    await client.halo.createIdentity();
    const space = await client.createSpace();
    return {
      wiped,
      fresh: client.halo.identity.get().identityKey.toHex() !== old,
      empty: space.db.query().objects.length,
    };
  }, key);
  assert.deepEqual(after, { wiped: [null, 0, undefined], fresh: true, empty: 0 });
  await ada.reload();
  await ada.open();
  assert.equal(await ada.run((k) => client.getSpace(k), key), undefined);
});

test('C06 calls before initialize() reject or throw NOT_INITIALIZED', async () => {
  const ada = await peer('Ada', { client: false });
  const codes = await ada.run(async () => {
    const client = new es.Client();
    const calls = [
      () => client.createSpace(),
      () => client.reset(),
      () => client.acceptInvitation('0401CJH8YB6WFGNWMZ5F0QYV6641Y895EXVEPWH8R47MZZMSYZ3B4QMJ91WT8'),
      () => client.halo.createIdentity(),
      () => client.halo.updateProfile({ displayName: 'x' }),
      () => client.halo.createInvitation(),
      () => client.mesh.goOffline(),
      () => client.mesh.goOnline(),
    ];
    const codes = [];
    for (const call of calls) codes.push((await outcome(call)).code);
    return codes;
  });
  assert.deepEqual(codes, Array(codes.length).fill('NOT_INITIALIZED'));
});

test('C07 clients with different storage names in one page do not see each other', async () => {
  const ada = await peer('Ada', { client: false });
  const seen = await ada.run(async () => {
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) => open({ config: { storage: { name } }, identity: name })),
    );
    const space = await a.createSpace();
    space.db.add({ of: 'a' });
    await space.db.flush();
    const apart = [b.spaces.get().length, b.getSpace(space.key), b.halo.identity.get().displayName];
    // They can meet as two persons do.
    const invitation = space.createInvitation();
    const accepted = b.acceptInvitation(invitation.get().code);
    await accepted.authenticate(invitation.get().authCode);
    await until(() => b.getSpace(space.key).db.query({ of: 'a' }).objects.length === 1);
    return apart;
  });
  assert.deepEqual(seen, [0, undefined, 'b']);
});

for (const [what, path, type, body, message] of [
  ['a missing module', undefined, undefined, undefined, /HTTP 404/],
  [
    'a page instead of the module',
    '**/other.wasm',
    'text/html',
    '<!doctype html>',
    /not a WebAssembly module/,
  ],
  ['a truncated module', '**/other.wasm', 'application/wasm', '\0asm\x01\0\0\0\x01', /damaged/],
]) {
  test(`C08 ${what} is WASM_UNAVAILABLE`, async () => {
    const ada = await peer('Ada', { client: false });
    ada.allow(/404/);
    if (path) await ada.page.route(path, (route) => route.fulfill({ contentType: type, body }));
    const { code, message: text } = await ada.run(() =>
      outcome(new es.Client({ config: { wasmUrl: '/other.wasm' } }).initialize()),
    );
    assert.equal(code, 'WASM_UNAVAILABLE');
    assert.match(text, message);
    // What failed may be repeated, here with the right address.
    assert.equal(await ada.run(() => outcome(open()).then((o) => o.code)), undefined);
  });
}

for (const [what, code, init] of [
  ['a browser without MessageChannel', 'UNSUPPORTED_BROWSER', () => delete globalThis.MessageChannel],
  [
    'blocked storage',
    'STORAGE_UNAVAILABLE',
    () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException('The user denied permission to access the database.', 'SecurityError');
      };
    },
  ],
  ['no storage', 'STORAGE_UNAVAILABLE', () => Reflect.deleteProperty(globalThis, 'indexedDB')],
]) {
  test(`C08 ${what} is ${code}`, async () => {
    const ada = await peer('Ada', { client: false, init });
    const result = await ada.run(async () => {
      const client = new es.Client();
      const { code, message } = await outcome(client.initialize());
      return { code, message, state: client.status.get().state, error: client.status.get().error?.code };
    });
    assert.equal(result.code, code, result.message);
    assert.equal(result.error, code);
    assert.equal(result.state, 'closed');
  });
}

test('C08 a page that is no secure context is INSECURE_CONTEXT', async () => {
  const { browser, server } = await start();
  const context = await browser.newContext();
  try {
    const ada = new Peer('Ada', await context.newPage());
    await ada.load(`http://${insecureHost}:${server.port}/web/test/e2e/page.html`);
    const { code } = await ada.run(() => outcome(new es.Client().initialize()));
    assert.equal(code, 'INSECURE_CONTEXT');
  } finally {
    await context.close();
  }
});

test('C09 the network status of a client without a space is that of its relay', async () => {
  const ada = await peer('Ada', { identity: null });
  await ada.run(() => until(() => client.mesh.networkStatus.get().state === 'online', 'online'));
  await ada.run(() => client.mesh.goOffline());
  assert.equal(await ada.run(() => client.mesh.networkStatus.get().state), 'offline');
});

test('C09 going offline and online again resumes', async () => {
  const [ada, bob] = [await sharedPeer('Ada'), await sharedPeer('Bob')];
  await share(ada, bob);
  await bob.run(async () => {
    await client.mesh.goOffline();
    await until(() => client.mesh.networkStatus.get().state === 'offline');
  });
  await add(ada, { while: 'offline' });
  await add(bob, { made: 'offline' });
  await bob.run(() => client.mesh.goOnline());
  await sees(bob, { while: 'offline' });
  await sees(ada, { made: 'offline' });
});

test('C10 a crash of the core rejects all that is pending and sets the status', async () => {
  const ada = await peer('Ada', {
    init: () => {
      // Keeps the module's memory at hand, to damage it.
      const { instantiate } = WebAssembly;
      WebAssembly.instantiate = async (...args) => {
        const instance = await instantiate.apply(WebAssembly, args);
        globalThis.memory = instance.exports?.mem;
        return instance;
      };
    },
  });
  ada.allow(/./);
  const result = await ada.run(async () => {
    const space = await client.createSpace();
    const other = client.acceptInvitation('0401CJH8YB6WFGNWMZ5F0QYV6641Y895EXVEPWH8R47MZZMSYZ3B4QMJ91WT8');
    const states = record(client.status, (status) => status.state);
    const pending = [outcome(other.authenticate('123456')), outcome(other.wait())];
    new Uint8Array(memory.buffer).fill(0xff);
    pending.push(
      outcome(() => client.createSpace()),
      outcome(() => space.db.flush()),
    );
    const codes = (await Promise.all(pending)).map(({ code }) => code);
    await until(() => client.status.get().state === 'crashed');
    const later = await outcome(() => client.createSpace());
    return { codes, later: later.code, status: client.status.get().error?.code, states };
  });
  assert.deepEqual(result.codes, ['CRASHED', 'CRASHED', 'CRASHED', 'CRASHED']);
  assert.equal(result.later, 'CRASHED');
  assert.equal(result.status, 'CRASHED');
  assert.equal(result.states.at(-1), 'crashed');
});

test('C11 an observable gives its value, each change, nothing after unsubscribe, and its end to the late', async () => {
  const ada = await sharedPeer('Ada');
  const result = await ada.run(async () => {
    const counts = [];
    const before = client.spaces.get().length;
    const subscription = client.spaces.subscribe((list) => counts.push(list.length - before));
    const atOnce = [...counts];
    await client.createSpace();
    await until(() => counts.includes(1));
    subscription.unsubscribe();
    const space = await client.createSpace();
    const invitation = space.createInvitation();
    await invitation.cancel();
    await until(() => invitation.get().state === 'CANCELLED');
    const late = record(invitation, (value) => value.state);
    return { atOnce, counts, late, closed: subscription.closed };
  });
  assert.deepEqual(result, {
    atOnce: [0],
    counts: [0, 1],
    late: ['CANCELLED', 'error:CANCELLED'],
    closed: true,
  });
});

test('C12 wait({ timeout }) rejects with TIMEOUT', async () => {
  const ada = await sharedPeer('Ada');
  await createSpace(ada);
  const result = await ada.run(() => outcome(space.createInvitation().wait({ timeout: 20 })));
  assert.equal(result.code, 'TIMEOUT');
});
