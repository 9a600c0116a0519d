// What the tests find on their page: the package as `es`, and ways to wait.

import * as es from '@echospace/client';

const limit = Number(new URL(location).searchParams.get('limit') ?? 60_000);

/** Waits until `condition` gives something true, and gives that. */
async function until(condition, what = String(condition)) {
  const end = performance.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`still not so after ${limit} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Calls `f` with 0, 1, 2... in one task after the other, as soon as they come, while it gives true. */
async function eachTask(f) {
  const { port1, port2 } = new MessageChannel();
  const end = performance.now() + limit;
  for (let turn = 0; f(turn); turn++) {
    if (performance.now() > end) throw new Error(`still going on after ${limit} ms: ${f}`);
    await new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(undefined);
    });
  }
  port1.close();
}

/** Gives a string with the delta of a text applied. */
function edited(string, delta) {
  let out = string;
  let at = 0;
  for (const op of delta) {
    if ('retain' in op) at += op.retain;
    if ('delete' in op) out = out.slice(0, at) + out.slice(at + op.delete);
    if ('insert' in op) {
      out = out.slice(0, at) + op.insert + out.slice(at);
      at += op.insert.length;
    }
  }
  return out;
}

/** Gives what a promise or a function comes to: `{ value }`, or the error's own fields. */
async function outcome(work) {
  try {
    return { value: await (typeof work === 'function' ? work() : work) };
  } catch (error) {
    const { name, code, message } = error;
    return { name, code, message, ...JSON.parse(JSON.stringify(error)) };
  }
}

/** Writes down what an observable says: values, then `error:CODE` or `complete`. */
function record(observable, view = (value) => value) {
  const list = [];
  observable.subscribe(
    (value) => list.push(view(value)),
    (error) => list.push(`error:${error.code}`),
    () => list.push('complete'),
  );
  return list;
}

/** Opens a client; `identity` is a display name, or absent for none. */
async function open({ config, identity } = {}) {
  const client = new es.Client({ config });
  await client.initialize();
  if (identity && !client.halo.identity.get()) await client.halo.createIdentity({ displayName: identity });
  return client;
}

/** Gives what a request of IndexedDB comes to. */
function asked(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Opens the database of the profile; whoever does closes it. */
async function openDatabase() {
  const list = await indexedDB.databases();
  return asked(indexedDB.open(list.find(({ name }) => name.startsWith('echospace:')).name));
}

Object.assign(globalThis, { es, until, eachTask, edited, outcome, record, open, asked, openDatabase });

// A page that opens its client as soon as it can, as an application does.
if (new URL(location).searchParams.has('start')) {
  open().then(() => {
    globalThis.startedIn = performance.now();
  });
}
