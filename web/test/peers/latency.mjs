// From the change of one object to the callback of who watches: a live query
// where there are queries, else an observer of all objects.

import { quantile, sort } from '../figures.mjs';
import { withPage } from './pages.mjs';

export const heading = 'Live queries';

/** Changes that are timed, and the pause before each: people do not type at every opportunity. */
const changes = 200;
const rest = 25;

async function watch([count, times, pause]) {
  const db = await library.objects();
  db.addAll(Array.from({ length: count }, (_, i) => record(i)));
  await db.stored();
  await db.half();
  let called = () => {};
  db.watch(() => called());
  const list = [];
  for (let i = 0; i < times; i++) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const begun = performance.now();
    await new Promise((resolve) => {
      called = resolve;
      db.set(2 * i, -1 - i); // every second one is done, and watched
    });
    list.push(performance.now() - begun);
  }
  return list;
}

export async function measure({ url, library, cap, objects, table }) {
  const count = Math.ceil(objects / 10);
  const what = (quantity) => `change to callback, ${count} objects, ${quantity}`;
  try {
    const run = (page) => page.run(watch, [count, Math.min(changes, count >> 1), rest]);
    const times = sort(await withPage(url, library, 3 * cap, run));
    table.note(what('p50'), library.name, 'ms', quantile(times, 0.5));
    table.note(what('p99'), library.name, 'ms', quantile(times, 0.99));
  } catch (error) {
    table.fail(what('p50'), library.name, error);
  }
}
