// Echospace behind the common interface; see ../libraries.mjs.

import * as es from '@echospace/client';
import { storedBytes } from './idb.mjs';

/** The first space of this profile, and when `initialize()` was done. */
async function openSpace() {
  const client = new es.Client();
  await client.initialize();
  const ready = performance.now();
  if (!client.halo.identity.get()) await client.halo.createIdentity({ displayName: 'Ada' });
  const space = client.spaces.get()[0] ?? (await client.createSpace());
  if (!space.isOpen) await new Promise((resolve) => space.state.subscribe((s) => s === 'open' && resolve()));
  return { space, ready };
}

export async function text() {
  const { space } = await openSpace();
  const object = space.db.add({ text: new es.Text() });
  await space.db.flush();
  const before = await storedBytes();
  let updates = 0;
  object.text.observe(({ delta }) => {
    updates += delta.length;
  });
  return {
    edit: (position, deleted, inserted) => object.text.replace(position, deleted, inserted),
    stored: () => space.db.flush(),
    updates: () => new Promise((resolve) => setTimeout(() => resolve(updates))),
    content: () => object.text.toString(),
    size: async () => ({ bytes: (await storedBytes()) - before, remark: 'records in IndexedDB, encrypted' }),
  };
}

export async function objects() {
  const { space, ready } = await openSpace();
  const { db } = space;
  const live = [];
  const add = (object) => live.push(db.add(new es.Expando(object)));
  return {
    ready,
    add: (object) => db.transact(() => add(object)),
    addAll: (list) => db.transact(() => list.forEach(add)),
    set: (i, rank) =>
      db.transact(() => {
        live[i].rank = rank;
      }),
    rank: (i) => live[i].rank,
    half: () => db.query({ kind: 'task', done: true }).objects,
    read: (object) => object.rank,
    stored: () => db.flush(),
    watch: (callback) => db.query({ kind: 'task', done: true }).subscribe(callback),
  };
}

/** Databases of the core, in a program of their own. */
async function databases() {
  await import('/wasm_exec.js');
  const go = new globalThis.Go();
  const { instance } = await WebAssembly.instantiateStreaming(
    fetch('/web/test-output/peers/merge.wasm'),
    go.importObject,
  );
  go.run(instance);
  return Object.fromEntries(
    Object.entries(globalThis.echospaceMerge).map(([name, f]) => [
      name,
      (...args) => {
        const { error, ...result } = f(...args);
        if (error) throw new Error(error);
        return result;
      },
    ]),
  );
}

/** The people of a trace. */
export async function people(trace) {
  const { build, fresh, join } = await databases();
  build(JSON.stringify(trace));
  return { fresh, join };
}

/** Somebody who was away from a space and comes back. */
export async function returning(absence) {
  const { leave, comeBack } = await databases();
  leave(JSON.stringify(absence));
  return { comeBack };
}
