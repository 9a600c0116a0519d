// I25 and storage at rest: looks for what was written in clear, among all that
// passed the relay and in every file of the browser's profile:
//
//   node web/test/e2e/canary.mjs --runs 1
//
// Two people write canaries as display names, space properties, keys and values
// of objects, channel names and messages, one of them without WebRTC so that
// the relay carries all of it. The files are searched after the browser closed
// well and after it was killed. Controls put markers there in clear, which the
// same search must find. Prints `N of N passed`.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { accept, authenticate, offer, Server } from './harness.mjs';
import { asScript, Profile } from './profile.mjs';

const pagePath = 'web/test/e2e/page.html';

function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** Base 64 of `text` as it looks within that of something longer, at each of its three alignments. */
function base64Forms(text) {
  return [0, 1, 2].map((shift) => {
    const all = Buffer.concat([Buffer.alloc(shift), text]).toString('base64');
    // Characters that carry bits of what is before or after are left out.
    return all.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + text.length) * 8) / 6));
  });
}

/** The byte strings by which a text would show. */
function forms(text) {
  const plain = Buffer.from(text);
  const wide = Buffer.from(text, 'utf16le');
  const list = { plain, 'UTF-16': wide };
  for (const [name, bytes] of Object.entries({ plain, 'UTF-16': wide })) {
    for (const [i, form] of base64Forms(bytes).entries()) {
      list[`base 64 of ${name}, alignment ${i}`] = Buffer.from(form);
      list[`URL base 64 of ${name}, alignment ${i}`] = Buffer.from(
        form.replaceAll('+', '-').replaceAll('/', '_'),
      );
    }
  }
  return list;
}

/** Where `text` shows among `places`, a list of [name, bytes]. */
function find(places, text) {
  const found = [];
  for (const [form, bytes] of Object.entries(forms(text)))
    for (const [name, content] of places) if (content.includes(bytes)) found.push(`${name}: ${form}`);
  return found;
}

/** Every file of a directory with its content. */
async function filesOf(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(files.map(async (name) => [name.slice(directory.length), await readFile(name)]));
}

/** The payloads of WebSocket frames after an upgrade (RFC 6455, 5.2); nothing for another stream. */
function payloads(stream) {
  const text = stream.toString('latin1');
  const head = text.indexOf('\r\n\r\n');
  if (head < 0 || !/upgrade: websocket/i.test(text.slice(0, head))) return Buffer.alloc(0);
  if (/^HTTP/.test(text))
    check(
      !/permessage-deflate/i.test(text.slice(0, head)),
      'the frames are compressed: the search would be blind',
    );
  const parts = [];
  for (let at = head + 4; at + 2 <= stream.length; ) {
    const masked = (stream[at + 1] & 0x80) !== 0;
    let length = stream[at + 1] & 0x7f;
    at += 2;
    if (length === 126) {
      length = stream.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(stream.readBigUInt64BE(at));
      at += 8;
    }
    const mask = masked ? stream.subarray(at, at + 4) : undefined;
    if (masked) at += 4;
    const payload = Buffer.from(stream.subarray(at, at + length));
    if (mask) for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i & 3];
    parts.push(payload);
    at += length;
  }
  return Buffer.concat(parts);
}

/** A TCP proxy before the server that keeps all that passes. */
class Recorder {
  static async start(port) {
    const recorder = new Recorder();
    recorder.streams = [];
    recorder.server = createServer((near) => recorder.pass(near, port)).listen(0, '127.0.0.1');
    await once(recorder.server, 'listening');
    recorder.url = `http://127.0.0.1:${recorder.server.address().port}/`;
    return recorder;
  }

  pass(near, port) {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      const chunks = [];
      this.streams.push(chunks);
      from.on('data', (chunk) => chunks.push(chunk));
      from.on('error', () => to.destroy()); // a killed browser
      from.pipe(to);
    }
  }

  /** All that passed: streams as they were, and what WebSocket frames held. */
  places() {
    const raw = this.streams.map((chunks) => Buffer.concat(chunks));
    return [
      ...raw.map((stream, i) => [`stream ${i}`, stream]),
      ...raw.map((stream, i) => [`frames of stream ${i}`, payloads(stream)]),
    ];
  }

  async stop() {
    this.server.close();
    this.server.closeAllConnections?.();
  }
}

/** Takes WebRTC away. Runs on a page. */
function withoutWebRTC() {
  delete globalThis.RTCPeerConnection;
}

/** Puts markers in clear into a database of its own. Runs on a page. */
function putInClear(markers) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('control');
    request.onupgradeneeded = () => request.result.createObjectStore('s', { autoIncrement: true });
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const transaction = request.result.transaction('s', 'readwrite');
      const store = transaction.objectStore('s');
      // One byte per character, then two, then what btoa makes of it.
      store.put(markers[0]);
      store.put(`${markers[1]} \u4e16`);
      store.put(btoa(`xx${markers[2]}`));
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    };
  });
}

/** Sends a marker in clear to the relay. Runs on a page. */
function sendInClear(marker) {
  return new Promise((resolve) => {
    const socket = new WebSocket(new URL('/relay', location.href.replace('http', 'ws')), []);
    socket.onopen = () => socket.send(new TextEncoder().encode(marker));
    socket.onclose = resolve; // the relay does not take it
    socket.onerror = resolve;
    setTimeout(() => socket.close(), 500);
  });
}

/** Writes a canary wherever text can be put, and has the other get it. */
async function write(from, to, canary) {
  await to.run((c) => {
    globalThis.heard = new Promise((resolve) => space.listen(`channel ${c}`, resolve));
  }, canary);
  await from.run(async (c) => {
    space.db.add({
      [`key ${c}`]: `value ${c}`,
      list: { deep: { [c]: c } },
      long: `${'long '.repeat(20_000)}${c}`,
    });
    space.properties.name = `space ${c}`;
    await space.db.flush({ to: 'peer' });
    await until(() => client.mesh.networkStatus.get().peers.length > 0, 'connected');
    await space.postMessage(`channel ${c}`, { text: c });
  }, canary);
  await to.run(() => heard);
  await to.run(
    (c) => until(() => space.db.query({ [`key ${c}`]: `value ${c}` }).objects.length === 1),
    canary,
  );
}

async function run() {
  const fresh = () => `canary${randomBytes(12).toString('hex')}`;
  const [nameOfAda, nameOfBob, first, second, inFrames] = Array.from({ length: 5 }, fresh);
  const canaries = { nameOfAda, nameOfBob, first, second };
  const server = await Server.start();
  const recorder = await Recorder.start(server.port);
  const profile = await Profile.make();
  const url = recorder.url + pagePath;

  const openAda = async () => {
    const ada = await profile.tab(url, 'Ada');
    await ada.open({ identity: nameOfAda });
    await ada.run(async () => {
      globalThis.space = client.spaces.get()[0] ?? (await client.createSpace());
    });
    return ada;
  };
  const openBob = async (ada) => {
    const context = await profile.browser.createBrowserContext();
    const page = await context.newPage();
    await page.evaluateOnNewDocument(withoutWebRTC);
    const bob = new ada.constructor('Bob', page, () => context.close());
    await bob.load(url);
    await bob.open({ identity: nameOfBob });
    const { code, authCode } = await offer(ada);
    await accept(bob, code);
    const joined = await authenticate(bob, authCode);
    check(!joined.code, `Bob did not join: ${joined.code} ${joined.message}`);
    return bob;
  };
  /** Puts new controls into the files; gives them for the search. */
  const control = async (peer) => {
    const inFiles = Array.from({ length: 3 }, fresh);
    await peer.run(putInClear, inFiles);
    return inFiles;
  };
  /**
   * Nothing shows, and the controls do. They must be of this start of the
   * browser: the database compresses what it moves out of its log, as it does
   * after an unclean end, so that a search finds what was written since.
   */
  const search = async (when, inFiles) => {
    const files = await filesOf(profile.directory);
    const carried = recorder.places();
    const bytes = (places) => places.reduce((sum, [, content]) => sum + content.length, 0);
    for (const [i, marker] of inFiles.entries())
      check(
        find(files, marker).length > 0,
        `${when}: control ${i} is not found in the files: the search proves nothing`,
      );
    check(
      find(carried, inFrames).length > 0,
      `${when}: the control is not found at the relay: the search proves nothing`,
    );
    for (const [name, canary] of Object.entries(canaries)) {
      const found = [...find(files, canary), ...find(carried, canary)];
      check(found.length === 0, `${when}: the canary ${name} shows in ${found.join('; ')}`);
    }
    return `${when}: ${files.length} files of ${bytes(files)} bytes, ${bytes(carried)} bytes carried`;
  };

  try {
    await profile.launch();
    const ada = await openAda();
    const bob = await openBob(ada);
    const inFiles = await control(ada);
    await ada.run(sendInClear, inFrames);
    await write(ada, bob, first);
    await write(bob, ada, second);
    await profile.close();
    const closed = await search('closed', inFiles);

    await profile.launch();
    const again = await openAda();
    const carol = await openBob(again);
    const inFilesAgain = await control(again);
    await write(again, carol, `${first}again`);
    await write(carol, again, `${second}again`);
    await profile.kill();
    const killed = await search('killed', inFilesAgain);
    await profile.remove();
    return `${closed}; ${killed}`;
  } finally {
    await profile.kill();
    await recorder.stop();
    await server.stop();
  }
}

/** Does it that many times; gives how often all was well. */
export async function canaries({ runs, say }) {
  let passed = 0;
  for (let number = 1; number <= runs; number++) {
    const began = Date.now();
    try {
      say(`run ${number}: ${await run()}; ${Date.now() - began} ms`);
      passed++;
    } catch (error) {
      say(`run ${number}: ${error.stack ?? error}`);
    }
  }
  return passed;
}

await asScript(import.meta.url, canaries, 1);
