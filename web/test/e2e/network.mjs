import assert from 'node:assert/strict';
import {
  accept,
  add,
  authenticate,
  createSpace,
  eventually,
  offer,
  Server,
  sees,
  share,
  world,
} from './harness.mjs';

const { test, peer, sharedPeer } = world();

/** Takes WebRTC away, so that everything goes over the relay. */
const withoutWebRTC = () => Reflect.deleteProperty(globalThis, 'RTCPeerConnection');

test('N01 join, exchange, leave', async () => {
  const ada = await sharedPeer('Ada');
  const bob = await peer('Bob');
  await share(ada, bob);
  await add(ada, { n: 1 });
  await sees(bob, { n: 1 });
  const path = await bob.run(() =>
    until(() => client.mesh.networkStatus.get().peers.find((p) => p.path === 'direct')?.path),
  );
  assert.equal(path, 'direct');
  await bob.close();
  await ada.run(() => until(() => client.mesh.networkStatus.get().peers.length === 0, 'nobody is left'));
});

test('N03 a relay restart: those who were connected go on, others can join', async () => {
  let relay = await Server.start('relay');
  try {
    const config = { relay: relay.url };
    const ada = await peer('Ada', { config });
    const bob = await peer('Bob', { config, init: withoutWebRTC });
    await share(ada, bob);
    await relay.stop('SIGKILL');
    for (const who of [ada, bob])
      await who.run(() =>
        until(() => client.mesh.networkStatus.get().state === 'connecting', 'the relay is missed'),
      );
    await add(ada, { made: 'without a relay' });
    await add(bob, { too: 'without a relay' });
    relay = await Server.start('relay', relay.port);
    await sees(bob, { made: 'without a relay' });
    await sees(ada, { too: 'without a relay' });
    const { code, authCode } = await offer(ada);
    const carol = await peer('Carol', { config });
    await accept(carol, code);
    assert.equal((await authenticate(carol, authCode)).code, undefined);
    await sees(carol, { too: 'without a relay' });
    for (const who of [ada, bob]) who.allow(/WebSocket connection/);
  } finally {
    await relay.stop();
  }
});

test('N04 a relay that is not there: clear status, back-off, and it works when it comes', async () => {
  const gone = await Server.start('relay');
  await gone.stop();
  const ada = await peer('Ada', { client: false });
  ada.allow(/WebSocket connection/);
  const attempts = [];
  ada.page.on('websocket', () => attempts.push(Date.now()));
  await ada.open({ config: { relay: gone.url }, identity: 'Ada' });
  const relays = await ada.run(() =>
    until(() => {
      const { state, relay } = client.mesh.networkStatus.get();
      return relay[0]?.error && { state, relay: relay.map(({ url, error }) => ({ url, code: error.code })) };
    }),
  );
  assert.deepEqual(relays, { state: 'connecting', relay: [{ url: gone.url, code: 'RELAY_UNREACHABLE' }] });
  // All that needs no network goes on.
  await createSpace(ada);
  await add(ada, { made: 'alone' });
  // The pauses are random parts of growing windows; six attempts in a row without any would be a busy loop.
  await eventually(() => attempts.length >= 6, 'six attempts');
  assert.ok(attempts[5] - attempts[0] >= 200, `six attempts in ${attempts[5] - attempts[0]} ms`);
  const relay = await Server.start('relay', gone.port);
  try {
    await ada.run(() => until(() => client.mesh.networkStatus.get().state === 'online', 'online'));
    const bob = await peer('Bob', { config: { relay: relay.url } });
    const { code, authCode } = await offer(ada);
    await accept(bob, code);
    assert.equal((await authenticate(bob, authCode)).code, undefined);
    await sees(bob, { made: 'alone' });
  } finally {
    await relay.stop();
  }
});

test('N04 one of two relays is enough', async () => {
  const [one, gone] = await Promise.all([Server.start('relay'), Server.start('relay')]);
  await gone.stop();
  try {
    const config = { relay: [gone.url, one.url] };
    const ada = await peer('Ada', { config });
    const bob = await peer('Bob', { config });
    for (const who of [ada, bob]) who.allow(/WebSocket connection/);
    await share(ada, bob);
    await add(ada, { by: 'one relay' });
    await sees(bob, { by: 'one relay' });
  } finally {
    await one.stop();
  }
});

test('N13 without WebRTC everything works over the relay, and the status says so', async () => {
  const ada = await sharedPeer('Ada');
  const bob = await peer('Bob', { init: withoutWebRTC });
  await share(ada, bob);
  await add(ada, { by: 'relay' });
  await sees(bob, { by: 'relay' });
  await add(bob, { back: 'by relay' });
  await sees(ada, { back: 'by relay' });
  const paths = await bob.run(() =>
    until(() => {
      const { peers } = client.mesh.networkStatus.get();
      return peers.length > 0 && peers.map((p) => p.path);
    }),
  );
  assert.deepEqual(paths, ['relayed']);
});

test('N14 a direct path that dies: nothing is lost or doubled', async () => {
  const ada = await sharedPeer('Ada');
  const bob = await peer('Bob', {
    init: () => {
      // Keeps the connections at hand, to close them.
      const Real = RTCPeerConnection;
      globalThis.connections = [];
      globalThis.RTCPeerConnection = class extends Real {
        constructor(...args) {
          super(...args);
          connections.push(this);
        }
      };
    },
  });
  await share(ada, bob);
  await bob.run(() => until(() => client.mesh.networkStatus.get().peers.some((p) => p.path === 'direct')));
  const writing = ada.run(async () => {
    for (let n = 0; n < 200; n++) {
      space.db.add({ n, text: 'x'.repeat(2000) });
      if (n % 10 === 0) await space.db.flush();
    }
  });
  await bob.run(async () => {
    await until(() => space.db.query().objects.length > 0);
    for (const connection of connections) connection.close();
  });
  await writing;
  const numbers = await bob.run(async () => {
    await until(() => space.db.query().objects.length >= 200, 'all objects arrive');
    return space.db.query().objects.map((o) => o.n);
  });
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: 200 }, (_, n) => n),
  );
});
