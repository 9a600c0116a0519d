// RxDB on Dexie behind the common interface; see ../libraries.mjs. A write is
// durable when its promise says so.

import { createRxDatabase } from 'rxdb/plugins/core';
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie';

const schema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 10 },
    kind: { type: 'string' },
    title: { type: 'string' },
    rank: { type: 'number' },
    done: { type: 'boolean' },
    note: { type: 'string' },
  },
  required: ['id', 'kind', 'title', 'rank', 'done', 'note'],
  indexes: ['done'],
};

export async function objects() {
  const db = await createRxDatabase({ name: 'bench', storage: getRxStorageDexie(), multiInstance: false });
  const { objects: collection } = await db.addCollections({ objects: { schema } });
  let count = 0;
  let pending = [];
  const named = (object) => ({ id: String(count++).padStart(10, '0'), ...object });
  const done = collection.find({ selector: { done: true } });
  const found = new Map();
  return {
    add: (object) => {
      const i = count;
      pending.push(collection.insert(named(object)).then((document) => found.set(i, document)));
    },
    addAll: (list) => {
      const from = count;
      const keep = ({ success }) => {
        for (const [i, document] of success.entries()) found.set(from + i, document);
      };
      pending.push(collection.bulkInsert(list.map(named)).then(keep));
    },
    set: (i, rank) => {
      pending.push(found.get(i).incrementalPatch({ rank }));
    },
    rank: (i) => found.get(i).getLatest().rank,
    half: () => done.exec(),
    read: (document) => document.rank,
    stored: async () => {
      await Promise.all(pending);
      pending = [];
    },
    watch: (callback) => done.$.subscribe(callback),
  };
}
