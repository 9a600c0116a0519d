// How soon a text with a long history can be read once its space is open: a part of
// `make bench`.

import { openPeer } from './e2e/harness.mjs';
import { prepareTrace } from './peers/trace.mjs';

const trace = 'automerge-paper';

/** Runs on the page: types a trace and stores it. */
async function type(path) {
  const { edits } = await (await fetch(`/${path}`)).json();
  const { db } = await client.createSpace();
  const { text } = db.add({ text: new es.Text() });
  for (const edit of edits) text.replace(...edit);
  await db.flush();
}

/** Runs on the page: opens its client, and gives the ms from then until the text was read. */
async function read(path) {
  const { end } = await (await fetch(`/${path}`)).json();
  globalThis.client = await open();
  const [space] = client.spaces.get();
  await space.waitUntilReady();
  const begun = performance.now();
  const content = space.db.query().objects[0].text.toString();
  const ms = performance.now() - begun;
  if (content !== end) throw new Error('the text is not that of the trace');
  return ms;
}

/** Notes the time for a text whose history takes 260,000 edits. */
export async function reading(browser, url, note) {
  const path = prepareTrace(trace);
  if (!path) return;
  const peer = await openPeer(browser, url, 'Ada');
  try {
    await peer.open({ identity: 'Ada' });
    await peer.run(type, path);
    await peer.reload();
    note(`${trace}, read once its space is open`, 'ms', await peer.run(read, path));
  } finally {
    await peer.close();
  }
}
