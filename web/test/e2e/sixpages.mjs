// Three people with two devices each, in six contexts, share three spaces, behind a
// relay that keeps all that passes:
//
//   node web/test/e2e/sixpages.mjs --runs 20
//
// All edit everywhere, some of them offline. One removes a device of hers, and one member
// is removed from a space. Then one person loses both profiles, and comes back by the
// recovery words while a single other member is online. In the end the states of all who
// are in are equal, those who are out hold nothing newer, and the relay could list what
// SECURITY.md says, and nothing else. Prints `N of N passed`.

import { accept, authenticate, offer, openChromium, openPeer, Server } from './harness.mjs';
import { asScript, seriesOf } from './profile.mjs';
import { find, fresh, Wiretap } from './wiretap.mjs';

const pagePath = 'web/test/e2e/page.html';

function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** Runs `f` for all at once. */
const all = (peers, f) => Promise.all(peers.map(f));

/** The people, their pages, and what nobody but they may learn. */
class Story {
  constructor(browser, url) {
    this.browser = browser;
    this.url = url;
    this.peers = [];
    this.secrets = [];
    this.complaints = [];
  }

  async page(name, identity) {
    const peer = await openPeer(this.browser, this.url, name);
    this.peers.push(peer);
    await peer.open({ identity });
    return peer;
  }

  /** Closes a page for good. */
  async end(peer) {
    this.complaints.push(...peer.problems);
    this.peers = this.peers.filter((other) => other !== peer);
    await peer.close();
  }

  /** A text or bytes that must not show at the relay. */
  hide(...secrets) {
    this.secrets.push(...secrets);
  }

  async join(host, guest, key) {
    await host.run((key) => {
      globalThis.space = client.getSpace(key);
    }, key);
    const { code, authCode } = await offer(host);
    this.hide(code, authCode);
    await accept(guest, code);
    const { code: failed, message } = await authenticate(guest, authCode);
    check(!failed, `${guest.name} did not join: ${failed} ${message}`);
  }

  /** Makes another context a device of the host's identity. */
  async addDevice(host, device) {
    const { code, authCode } = await host.run(() => client.halo.createInvitation().get());
    this.hide(code, authCode);
    await device.run(({ code, authCode }) => client.halo.acceptInvitation(code).authenticate(authCode), {
      code,
      authCode,
    });
  }

  /** Notes the keys of who is here, and of the spaces. */
  async noteKeys() {
    const lists = await all(this.peers, (peer) =>
      peer.run(() => [
        client.halo.identity.get().identityKey.toHex(),
        ...client.halo.devices.get().map(({ deviceKey }) => deviceKey.toHex()),
        ...client.spaces.get().map((space) => space.key.toHex()),
      ]),
    );
    this.hide(...[...new Set(lists.flat())].map((hex) => Buffer.from(hex, 'hex')));
  }

  /** Everybody edits in these spaces: an object of their own, and what they share. */
  async edit(peers, keys) {
    const text = fresh();
    this.hide(text);
    await all(peers, (peer) =>
      peer.run(
        async ({ keys, text, who }) => {
          for (const key of keys) {
            const { db } = client.getSpace(key);
            const [board] = await until(() => {
              const { objects } = db.query({ board: true });
              return objects.length > 0 && objects;
            }, 'the board');
            db.transact(() => {
              db.add({ by: who, text });
              board.votes.increment();
              board.body.insert(board.body.length, `${who} `);
              board.names.push(who);
              board.last = who;
            });
            await db.flush();
          }
        },
        { keys, text, who: peer.name },
      ),
    );
    return text;
  }

  /** Waits until these hold one state of a space, with so many texts of each round that counts. */
  async agree(peers, key, texts) {
    const end = Date.now() + 120_000;
    for (;;) {
      const states = await all(peers, (peer) => peer.run(state, key));
      const counts = texts.every(([text, n]) =>
        states.every((s) => s.texts.filter((t) => t === text).length === n),
      );
      if (counts && new Set(states.map((s) => s.json)).size === 1) return;
      if (Date.now() > end) {
        const seen = states.map(
          (s, i) => `${peers[i].name}: ${s.members} ${s.texts.length} ${s.json.length}`,
        );
        throw new Error(
          `no one state in space ${key.slice(0, 6)}, want ${JSON.stringify(texts)}:\n${seen.join('\n')}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  problems() {
    return [...this.complaints, ...this.peers.flatMap((peer) => peer.problems)];
  }
}

/** All that a space holds, as text. Runs on a page. */
function state(key) {
  const space = client.getSpace(key);
  // In the order of their names: which one was set first is no part of an object's state.
  const json = (o) => JSON.stringify(o, Object.keys(o).sort());
  const objects = (space?.isOpen ? space.db.query({}).objects : []).map((o) => [es.idOf(o), json(o)]);
  objects.sort(([a], [b]) => (a < b ? -1 : 1));
  const members = (space?.members.get() ?? [])
    .map((m) => [
      m.identityKey.toHex(),
      m.role,
      m.displayName,
      m.devices.map((d) => d.deviceKey.toHex()).sort(),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    texts: objects.map(([, json]) => JSON.parse(json).text).filter((text) => text !== undefined),
    members: members.length,
    json: JSON.stringify([objects, members, space?.properties]),
  };
}

/** Whether a text is in a space. Runs on a page. */
function hasText({ key, text }) {
  return (client.getSpace(key)?.db.query({ text }).objects.length ?? 0) > 0;
}

async function play(story) {
  const names = ['Ada', 'Bob', 'Cyd'].map((name) => name + fresh());
  story.hide(...names);
  const laptops = [];
  for (const name of names) laptops.push(await story.page(name, name));
  const [ada, bob, cyd] = laptops;
  const pockets = [];
  for (const [i, laptop] of laptops.entries()) {
    pockets.push(await story.page(`pocket of ${names[i]}`));
    await story.addDevice(laptop, pockets[i]);
  }
  const keys = [];
  for (const laptop of laptops) {
    const key = await laptop.run(async (name) => {
      const space = await client.createSpace({ name });
      space.db.add({ board: true, votes: new es.Counter(0), body: new es.Text(''), names: [] });
      await space.db.flush();
      return space.key.toHex();
    }, `space of ${laptop.name}`);
    keys.push(key);
    for (const guest of laptops) if (guest !== laptop) await story.join(laptop, guest, key);
  }
  const everybody = [...laptops, ...pockets];
  await all(everybody, (peer) =>
    peer.run(async (keys) => {
      for (const key of keys) {
        await until(() => client.getSpace(key)?.isOpen, 'a space comes');
        await until(
          () =>
            client
              .getSpace(key)
              .members.get()
              .some((m) => m.self),
          'it is a member',
        );
        await until(() => client.getSpace(key).members.get().length === 3, 'all are members');
        await until(
          () => client.getSpace(key).db.query({ board: true }).objects.length > 0,
          'the board comes',
        );
      }
    }, keys),
  );
  await story.noteKeys();
  const words = await cyd.run(async () => {
    const recovery = await client.halo.createRecoveryPhrase();
    await recovery.confirm(recovery.words);
    return recovery.words.join(' ');
  });
  story.hide(words);

  // All edit, the pockets offline.
  await all(pockets, (peer) => peer.run(() => client.mesh.goOffline()));
  const first = await story.edit(everybody, keys);
  await all(pockets, (peer) => peer.run(() => client.mesh.goOnline()));
  for (const key of keys) await story.agree(everybody, key, [[first, 6]]);

  // A device and a member go, at once.
  const [lost] = pockets;
  const lostKey = await lost.run(() => client.halo.device.deviceKey.toHex());
  const bobKey = await bob.run(() => client.halo.identity.get().identityKey.toHex());
  await Promise.all([
    ada.run((key) => client.halo.removeDevice(key), lostKey),
    cyd.run(({ key, who }) => client.getSpace(key).removeMember(who), { key: keys[2], who: bobKey }),
  ]);
  await all([ada, bob, cyd, pockets[1], pockets[2]], (peer) =>
    peer.run(
      async ({ keys, lostKey, bobKey, isBob }) => {
        const knows = (key, f) => until(() => f(client.getSpace(key).members.get()), 'it knows who went');
        const withoutLost = (members) =>
          !members.some((m) => m.devices.some((d) => d.deviceKey.toHex() === lostKey));
        await knows(keys[0], withoutLost);
        await knows(keys[1], withoutLost);
        if (!isBob) await knows(keys[2], withoutLost);
        await knows(keys[2], (members) => !members.some((m) => m.identityKey.toHex() === bobKey));
      },
      { keys, lostKey, bobKey, isBob: peer === bob || peer === pockets[1] },
    ),
  );
  const inTwo = [ada, bob, cyd, pockets[1], pockets[2]];
  const inLast = [ada, cyd, pockets[2]];
  const second = await story.edit(inTwo, keys.slice(0, 2));
  const third = await story.edit(inLast, keys.slice(2));
  for (const key of keys.slice(0, 2)) await story.agree(inTwo, key, [[first, 6], [second, 5]]); // biome-ignore format: a table
  await story.agree(inLast, keys[2], [[first, 6], [third, 3]]); // biome-ignore format: a table

  // Cyd loses both profiles; of the others one stays online.
  await all([cyd, pockets[2]], (peer) =>
    peer.run(async (keys) => {
      for (const key of keys) await client.getSpace(key).db.flush({ to: 'peer' });
    }, keys),
  );
  for (const gone of [cyd, pockets[2]]) {
    await gone.run(() => client.reset());
    await story.end(gone);
  }
  await all([bob, pockets[1]], (peer) => peer.run(() => client.mesh.goOffline()));
  const again = await story.page('Cyd again');
  const identity = await again.run(async (words) => {
    const { displayName } = await client.halo.recoverIdentity(words);
    return displayName;
  }, words);
  check(identity === names[2], `the recovered identity is called ${identity}`);
  await again.run(async (keys) => {
    for (const key of keys) {
      await until(() => client.getSpace(key)?.isOpen, 'a space comes back');
      await until(
        () =>
          client
            .getSpace(key)
            .members.get()
            .some((m) => m.self),
        'it is a member again',
      );
    }
  }, keys);
  for (const key of keys.slice(0, 2)) await story.agree([ada, again], key, [[first, 6], [second, 5]]); // biome-ignore format: a table
  await story.agree([ada, again], keys[2], [[first, 6], [third, 3]]); // biome-ignore format: a table
  await story.noteKeys();
  const fourth = await story.edit([ada, again], keys);
  await all([bob, pockets[1]], (peer) => peer.run(() => client.mesh.goOnline()));
  const fifth = await story.edit([ada, bob, pockets[1], again], keys.slice(0, 2));
  for (const key of keys.slice(0, 2)) {
    const texts = Object.entries({ [first]: 6, [second]: 5, [fourth]: 2, [fifth]: 4 });
    await story.agree([ada, bob, pockets[1], again], key, texts);
  }
  await story.agree([ada, again], keys[2], Object.entries({ [first]: 6, [third]: 3, [fourth]: 2 }));

  // Who is out has nothing newer.
  for (const [peer, key, text] of [
    [lost, keys[0], second],
    [lost, keys[1], second],
    [lost, keys[2], third],
    [lost, keys[0], fifth],
    [bob, keys[2], third],
    [bob, keys[2], fourth],
    [pockets[1], keys[2], third],
  ]) {
    check(!(await peer.run(hasText, { key, text })), `${peer.name} reads what came after it was removed`);
  }
}

/** What each message of the relay protocol says, apart from its type: `core/signal/relayproto`. */
const meanings = {
  1: ['version'],
  2: ['handle', 'topic', 'peer'],
  3: ['handle'],
  4: ['handle', 'peer', 'frame'],
  5: ['nonce'],
  16: ['version', 'limit', 'limit', 'limit', 'limit'],
  17: ['handle', 'peers'],
  18: ['handle', 'peer'],
  19: ['handle', 'peer'],
  20: ['handle', 'peer', 'frame'],
  21: ['handle', 'peer'],
  22: ['handle', 'number', 'text'],
  23: ['number', 'text'],
  24: ['nonce'],
};

/**
 * Lists what the relay could: sockets, under which topics each was, and how often and how
 * much peers sent one another. Throws if a message says anything else, a stay can be
 * linked to another by its peer id, or a secret shows.
 */
function overheard(tap, secrets) {
  const topics = new Map();
  const peers = new Set();
  let frames = 0;
  let bytes = 0;
  for (const { socket, fields } of tap.messages()) {
    const [type, ...rest] = fields;
    const names = meanings[type];
    check(names && names.length === rest.length, `a message of type ${type} with ${rest.length} fields`);
    for (const [i, name] of names.entries()) {
      const value = rest[i];
      const size = { topic: 32, peer: 16 }[name];
      if (size) check(Buffer.isBuffer(value) && value.length === size, `a ${name} of ${value.length} bytes`);
      if (name === 'frame') check(Buffer.isBuffer(value), 'a frame is no bytes');
    }
    if (type === 2) {
      const [, topic, peer] = rest.map((value) => (Buffer.isBuffer(value) ? value.toString('hex') : value));
      check(!peers.has(peer), 'one peer id is used for two stays');
      peers.add(peer);
      if (!topics.has(topic)) topics.set(topic, new Set());
      topics.get(topic).add(socket);
    }
    if (type === 4) {
      frames++;
      bytes += rest[2].length;
    }
  }
  check(topics.size > 0 && frames > 0, 'nothing was overheard: the search proves nothing');
  const places = tap.places();
  const said = places.filter(([name]) => name.startsWith('frames'));
  for (const secret of secrets) {
    const found = find(typeof secret === 'string' && secret.length < 8 ? said : places, secret);
    check(
      found.length === 0,
      `${typeof secret === 'string' ? secret : secret.toString('hex')} shows: ${found}`,
    );
  }
  const sockets = new Set([...topics.values()].flatMap((set) => [...set]));
  return `the relay lists ${sockets.size} sockets, ${topics.size} topics, ${peers.size} stays, ${frames} frames of ${bytes} bytes; none of ${secrets.length} secrets shows`;
}

async function run() {
  const server = await Server.start();
  const tap = await Wiretap.start(server.port);
  const browser = await openChromium();
  const story = new Story(browser, tap.url + pagePath);
  try {
    await play(story);
    const problems = story.problems();
    check(problems.length === 0, `errors on the pages:\n${problems.join('\n')}`);
    return overheard(tap, story.secrets);
  } finally {
    await browser.close();
    await tap.stop();
    await server.stop();
  }
}

await asScript(import.meta.url, seriesOf(run), 1);
