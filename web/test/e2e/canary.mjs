// I25 and storage at rest: looks for what was written in clear, among all that
// passed the relay and in every file of the browser's profile:
//
//   node web/test/e2e/canary.mjs --runs 1
//
// Two people write canaries as display names, space properties, keys and values
// of objects, channel names and messages, one of them without WebRTC so that
// the relay carries all of it, the other with a passphrase that is a canary too.
// The files are searched after the browser closed well and after it was killed.
// Controls put markers there in clear, which the same search must find. Prints
// `N of N passed`.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accept, authenticate, offer, Server } from './harness.mjs';
import { asScript, Profile, seriesOf } from './profile.mjs';
import { find, fresh, Wiretap } from './wiretap.mjs';

const pagePath = 'web/test/e2e/page.html';

function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** Every file of a directory with its content. */
async function filesOf(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(files.map(async (name) => [name.slice(directory.length), await readFile(name)]));
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
  const [nameOfAda, nameOfBob, first, second, passphrase, inFrames] = Array.from({ length: 6 }, fresh);
  const canaries = { nameOfAda, nameOfBob, first, second, passphrase };
  const server = await Server.start();
  const recorder = await Wiretap.start(server.port);
  const profile = await Profile.make();
  const url = recorder.url + pagePath;

  const openAda = async () => {
    const ada = await profile.tab(url, 'Ada');
    await ada.open({ identity: nameOfAda, config: { storage: { passphrase } } });
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

export const canaries = seriesOf(run);

await asScript(import.meta.url, canaries, 1);
