// What a page holds in memory: of many objects that it opened from storage, and of
// a text that was edited a million times. The JavaScript heap after a collection,
// what array buffers take, and the memory of every WebAssembly module, which none
// of them gives back. The page before the library has anything is subtracted from
// the heap, not from the modules.

import { Profile } from '../e2e/profile.mjs';
import { withPage, withProfile } from './pages.mjs';
import { prepareTrace } from './trace.mjs';

export const heading = 'Memory';

/** A text is typed so often that it makes a million edits; it is emptied in between. */
const million = 1_000_000;
const trace = 'automerge-paper';

async function fill(count) {
  const db = await library.objects();
  db.addAll(Array.from({ length: count }, (_, i) => record(i)));
  await db.stored();
  await new Promise((resolve) => setTimeout(resolve, 10_000)); // for what a library does in idle time
}

/** Opens what was stored and reads half of it. Gives the bytes of all of it as JSON. */
async function open(count) {
  globalThis.held = await library.objects();
  const half = await held.half();
  if (half.length !== Math.ceil(count / 2)) throw new Error(`${half.length} objects, not half of ${count}`);
  for (const result of half) held.read(result);
  let json = 0;
  for (let i = 0; i < count; i++) json += JSON.stringify(record(i)).length;
  return json;
}

async function type({ path, times, cap }) {
  const { edits, end } = await (await fetch(`/${path}`)).json();
  globalThis.held = await library.text();
  const begun = performance.now();
  let done = 0;
  for (let round = 0; round < times; round++) {
    if (round > 0) held.edit(0, end.length, '');
    const run = repeat(edits.length, cap - (performance.now() - begun), (i) => held.edit(...edits[i]));
    done += run.done;
    if (run.done < edits.length) return { done };
    await held.stored?.();
  }
  if (held.content() !== end) throw new Error('the text in the end is not that of the trace');
  return { done };
}

/** Runs before anything on the page: keeps hold of the memory of every module. */
function watchModules() {
  const memories = new Set();
  const note = (made) => {
    for (const e of Object.values((made.instance ?? made).exports))
      if (e instanceof WebAssembly.Memory) memories.add(e);
    return made;
  };
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name];
    WebAssembly[name] = (...args) => original.apply(WebAssembly, args).then(note);
  }
  WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
    construct: (target, args) => note(new target(...args)),
  });
  globalThis.moduleBytes = () => {
    let sum = 0;
    for (const { buffer } of memories) sum += buffer.byteLength;
    return sum;
  };
}

/** Bytes of the heap with its buffers, and of modules. */
async function used({ page }) {
  const session = await page.context().newCDPSession(page);
  try {
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize } = await session.send('Runtime.getHeapUsage');
    return { heap: usedSize + backingStorageSize, modules: await page.evaluate('moduleBytes()') };
  } finally {
    await session.detach();
  }
}

export async function measure({ url, library, cap, objects, table }) {
  const prepared = { init: watchModules };
  const held = async (peer, f, arg) => {
    const empty = await used(peer);
    const result = await peer.run(f, arg);
    const { heap, modules } = await used(peer);
    return { result, bytes: Math.max(0, heap - empty.heap) + modules, modules };
  };
  await objectsOpened();
  if (library.does.includes('text')) await textTyped();

  async function objectsOpened() {
    if (!library.does.includes('cold')) return;
    const what = `${objects} objects of 300 bytes, opened`;
    const profile = await Profile.make();
    try {
      await withProfile(profile.directory, url, library, 3 * cap, (page) => page.run(fill, objects));
      const opened = await withProfile(
        ...[profile.directory, url, library, 3 * cap, (page) => held(page, open, objects), prepared],
      );
      note(what, opened, `${(opened.bytes / opened.result).toFixed(1)} times the JSON`);
    } catch (error) {
      table.fail(what, library.name, error);
    } finally {
      await profile.remove();
    }
  }

  async function textTyped() {
    const path = prepareTrace(trace);
    if (!path) return;
    const what = 'a text after a million edits';
    try {
      const times = Math.ceil(million / 259_778);
      const typed = await withPage(
        ...[url, library, 5 * cap, (page) => held(page, type, { path, times, cap: 4 * cap }), prepared],
      );
      note(what, typed, typed.result.done < million ? `capped after ${typed.result.done} edits` : undefined);
    } catch (error) {
      table.fail(what, library.name, error);
    }
  }

  function note(what, { bytes, modules }, remark) {
    const parts = [remark, modules > 0 && `${(modules / 1e6).toFixed(1)} MB of them wasm`];
    table.note(what, library.name, 'MB', bytes / 1e6, { remark: parts.filter(Boolean).join(', ') });
  }
}
