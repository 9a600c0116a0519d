// What queries take by the number of objects: a part of `make bench`.

import { openPeer } from './e2e/harness.mjs';
import { quantile, sort } from './figures.mjs';

const counts = [1000, 10_000, 100_000];

/** Runs in the page: times queries over so many objects in a space of their own. */
async function timeQueries(count) {
  const { db } = await client.createSpace();
  db.transact(() => {
    for (let i = 0; i < count; i++) {
      const title = `task ${i} of ${i % 97}`;
      db.add(new es.Expando({ kind: 'task', done: i % 2 === 0, rank: i, title, note: 'n'.repeat(200) }));
    }
  });
  await db.flush();
  const pause = () => new Promise((resolve) => setTimeout(resolve));
  const times = async (n, f) => {
    const list = [];
    for (let i = 0; i < n; i++) {
      const begun = performance.now();
      await f(Math.floor((i * count) / n));
      list.push(performance.now() - begun);
      if (i % 10 === 0) await pause();
    }
    return list;
  };
  const rank = (i) => db.query({ rank: i }).objects;
  const scan = await times(1, () => db.query({ title: 'task 7 of 7' }).objects);
  const told = () => new Promise((resolve) => setTimeout(resolve, 100)); // the observer tells of tasks that are over
  await told(); // of the scan, which is one task
  longTasks.length = 0;
  const begun = performance.now();
  await Promise.all([db.createIndex('rank'), db.createIndex({ search: ['title'] })]);
  const built = performance.now() - begun;
  await told();
  const longest = Math.max(0, ...longTasks);
  const lookup = await times(200, rank);
  const top = await times(200, () => db.query({}, { order: 'rank', limit: 10 }).objects);
  const search = await times(200, (i) => db.query({ title: { $search: `task ${i} ` } }).count);
  let called = () => {};
  const stop = db.query({ kind: 'task', done: true }, { order: 'rank' }).subscribe(() => called());
  const change = await times(200, async (i) => {
    const [object] = rank(2 * Math.floor(i / 2));
    if (!object) return;
    await new Promise((resolve) => {
      called = resolve;
      object.note = `changed ${i}`;
    });
  });
  stop();
  return { scan, built: [built], longest: [longest], lookup, top, search, change };
}

/** Notes a row per kind of query and number of objects. */
export async function queries(browser, url, watchLongTasks, note) {
  for (const count of counts) {
    const peer = await openPeer(browser, url, 'Ada', { init: watchLongTasks });
    try {
      await peer.open({ identity: 'Ada' });
      const figures = await peer.run(timeQueries, count);
      const p50 = (list) => quantile(sort(list), 0.5);
      note(`query by a scan, ${count} objects`, 'ms', p50(figures.scan));
      note(`query by an index, ${count} objects, p50`, 'ms', p50(figures.lookup));
      note(`first 10 in an order, by an index, ${count} objects, p50`, 'ms', p50(figures.top));
      note(`count of a search by two words, ${count} objects, p50`, 'ms', p50(figures.search));
      note(
        `lookup, change and callback of a sorted live query, ${count} objects, p50`,
        'ms',
        p50(figures.change),
      );
      note(`two indexes filled, ${count} objects`, 'ms', figures.built[0]);
      note(`the longest task over 50 ms while they were filled, ${count} objects`, 'ms', figures.longest[0]);
    } finally {
      await peer.close();
    }
  }
}
