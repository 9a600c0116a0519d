// What a page feels of many objects that arrive while it shows and indexes them:
// a part of `make bench`.

import { accept, authenticate, offer, openPeer } from './e2e/harness.mjs';

const count = 100_000;

/** Runs on the host's page: a space with so many objects of 300 bytes. */
async function fill(count) {
  globalThis.space = await client.createSpace();
  const slice = 1000;
  for (let from = 0; from < count; from += slice) {
    space.db.transact(() => {
      for (let i = from; i < from + slice; i++) {
        const title = `task ${i} of ${i % 97}`;
        space.db.add(
          new es.Expando({ kind: 'task', title, rank: i, done: i % 2 === 0, note: 'n'.repeat(220) }),
        );
      }
    });
    await new Promise((resolve) => setTimeout(resolve));
  }
  await space.db.flush();
}

/**
 * Runs on the guest's page: shows the first fifty that are done, indexes ranks and
 * titles, and waits until all are there and in the indexes. Gives the longest task in ms, and how long it took.
 */
async function show(count) {
  const { db } = space;
  const list = document.body.appendChild(document.createElement('ol'));
  const total = document.body.appendChild(document.createElement('p'));
  const filled = () => Promise.all([db.createIndex('rank'), db.createIndex({ search: ['title'] })]);
  filled();
  db.query({ kind: 'task', done: true }, { order: 'rank', limit: 50 }).subscribe(({ objects }) => {
    list.replaceChildren(
      ...objects.map(({ title }) => Object.assign(document.createElement('li'), { textContent: title })),
    );
  });
  await new Promise((resolve) => {
    db.query({ kind: 'task' }).subscribe(({ objects }) => {
      total.textContent = `${objects.length} tasks`;
      if (objects.length >= count) resolve();
    });
  });
  await filled();
  const found = db.query({ title: { $search: 'task 7 of 7' } }).count;
  if (found < 1 || list.children.length !== 50)
    throw new Error(`${found} found, ${list.children.length} shown`);
  const ms = performance.now() - begun;
  await new Promise((resolve) => setTimeout(resolve, 100)); // the observer tells of tasks that are over
  return { ms, longest: Math.max(0, ...longTasks), tasks: longTasks.filter((task) => task > 50).length };
}

/** Notes how long it took and the longest task. */
export async function arrive(browser, url, watchLongTasks, note) {
  const host = await openPeer(browser, url, 'Ada');
  const guest = await openPeer(browser, url, 'Bob', { init: watchLongTasks });
  try {
    for (const peer of [host, guest]) await peer.open({ identity: peer.name });
    await host.run(fill, count);
    const { code, authCode } = await offer(host);
    await guest.run(() => {
      longTasks.length = 0;
      globalThis.begun = performance.now();
    });
    await accept(guest, code);
    await authenticate(guest, authCode);
    const { ms, longest, tasks } = await guest.run(show, count);
    note(`${count} objects arrive, are indexed and shown`, 'ms', ms);
    note('the longest task of that', 'ms', longest);
    note('tasks over 50 ms of that', '', tasks);
  } finally {
    await host.close();
    await guest.close();
  }
}
