// What people typed, stored edit by edit, and what is left of it in storage once the
// page was left alone and made repacks: a part of `make bench`.

import { openPeer } from './e2e/harness.mjs';
import { prepareTrace } from './peers/trace.mjs';

const trace = 'automerge-paper';

/** Runs on the page: types a trace and waits for storage after each edit. Gives the ms it took. */
async function type(path) {
  const { edits, end } = await (await fetch(`/${path}`)).json();
  const { db } = await client.createSpace();
  const { text } = db.add({ text: new es.Text() });
  await db.flush();
  const begun = performance.now();
  for (const edit of edits) {
    text.replace(...edit);
    await db.flush();
  }
  if (text.toString() !== end) throw new Error('the text in the end is not that of the trace');
  return { ms: performance.now() - begun, edits: edits.length };
}

/**
 * Runs on the page: the records of all databases, but for snapshots, which are made of
 * the others, and the bytes of their keys and values.
 */
async function stored() {
  const result = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  let records = 0;
  let bytes = 0;
  for (const { name } of await indexedDB.databases()) {
    const database = await result(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const objects = database.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([result(objects.getAllKeys()), result(objects.getAll())]);
      keys.forEach((key, i) => {
        if (key instanceof ArrayBuffer && new TextDecoder().decode(key.slice(0, 2)) === 's/') return;
        records++;
        bytes += (key.byteLength ?? 8) + (values[i].byteLength ?? 8);
      });
    }
    database.close();
  }
  return { records, bytes };
}

/** Notes what was stored before the page was left alone, and what is after. */
export async function repacked(browser, url, note) {
  const path = prepareTrace(trace);
  if (!path) return;
  const peer = await openPeer(browser, url, 'Ada');
  try {
    await peer.open({ identity: 'Ada' });
    const { ms, edits } = await peer.run(type, path);
    note(`${trace}, each of ${edits} edits stored before the next`, 'ms', ms);
    const plain = await peer.run(stored);
    let now = plain;
    for (let same = 0; same < 3; ) {
      await new Promise((resolve) => setTimeout(resolve, 5000));
      const next = await peer.run(stored);
      same = next.bytes === now.bytes && next.records < plain.records ? same + 1 : 0;
      now = next;
    }
    note('stored of that', 'bytes', plain.bytes);
    note('the same, repacked in idle time', 'bytes', now.bytes);
    note('records of that', '', now.records);
  } finally {
    await peer.close();
  }
}
