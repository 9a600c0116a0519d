// IndexedDB itself, as the control of what is stored: a record for each object,
// found by reading all. Nothing merges, syncs or asks here.

import { complete, result } from './idb.mjs';

export async function objects() {
  const request = indexedDB.open('raw', 1);
  request.onupgradeneeded = () => request.result.createObjectStore('objects');
  const db = await result(request);
  const list = await result(db.transaction('objects').objectStore('objects').getAll());
  let last = Promise.resolve();
  const write = (puts) => {
    const transaction = db.transaction('objects', 'readwrite', { durability: 'relaxed' });
    const store = transaction.objectStore('objects');
    for (const i of puts) store.put(list[i], i);
    last = complete(transaction);
  };
  return {
    add: (object) => write([list.push(object) - 1]),
    addAll: (added) => {
      write(added.map((object) => list.push(object) - 1));
    },
    set: (i, rank) => {
      list[i] = { ...list[i], rank };
      write([i]);
    },
    rank: (i) => list[i].rank,
    half: () => list.filter(({ done }) => done),
    read: (object) => object.rank,
    stored: () => last,
  };
}
