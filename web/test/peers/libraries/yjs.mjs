// Yjs with y-indexeddb behind the common interface; see ../libraries.mjs.

import { IndexeddbPersistence } from 'y-indexeddb';
import * as Y from 'yjs';
import { complete } from './idb.mjs';

async function open() {
  const doc = new Y.Doc();
  const persistence = new IndexeddbPersistence('bench', doc);
  await persistence.whenSynced;
  // It does not say when it has written; a transaction that reads waits for those before it.
  const stored = () => {
    const transaction = persistence.db.transaction(['updates'], 'readonly');
    transaction.objectStore('updates').count();
    return complete(transaction);
  };
  return { doc, stored };
}

export async function text() {
  const { doc, stored } = await open();
  return { ...textOf(doc), stored };
}

/** A text of a document, wherever that is kept. */
export function textOf(doc) {
  const content = doc.getText('text');
  let updates = 0;
  doc.on('update', () => {
    updates++;
  });
  return {
    edit: (position, deleted, inserted) =>
      doc.transact(() => {
        if (deleted > 0) content.delete(position, deleted);
        if (inserted !== '') content.insert(position, inserted);
      }),
    updates: () => updates,
    content: () => content.toString(),
    size: async () => {
      const first = Y.encodeStateAsUpdate(doc).length;
      return {
        bytes: Y.encodeStateAsUpdateV2(doc).length,
        remark: `encodeStateAsUpdateV2 (V1: ${first}); what was deleted is not in it`,
      };
    },
  };
}

export async function objects() {
  const { doc, stored } = await open();
  const map = doc.getMap('objects');
  let count = 0; // the map's own size is counted each time
  const add = (object) => map.set(String(count++), new Y.Map(Object.entries(object)));
  return {
    add: (object) => doc.transact(() => add(object)),
    addAll: (list) => doc.transact(() => list.forEach(add)),
    set: (i, rank) => map.get(String(i)).set('rank', rank),
    rank: (i) => map.get(String(i)).get('rank'),
    half: () => [...map.values()].filter((object) => object.get('done')),
    read: (object) => object.get('rank'),
    stored,
    watch: (callback) => map.observeDeep(callback),
  };
}

/** The people of a trace, each with a document. */
export function people({ start, agents, changes }) {
  const docs = Array.from({ length: agents }, () => new Y.Doc());
  const updates = docs.map(() => []);
  for (const [i, doc] of docs.entries()) {
    doc.on('update', (update, origin) => {
      if (origin !== 'taken') updates[i].push(update);
    });
  }
  const taken = docs.map(() => docs.map(() => 0));
  const take = (to, from, count) => {
    for (; taken[to][from] < count; taken[to][from]++)
      Y.applyUpdate(docs[to], updates[from][taken[to][from]], 'taken');
  };
  if (start) docs[0].getText('text').insert(0, start);
  const first = updates[0].length;
  const written = [];
  for (const { agent, parents, edits } of changes) {
    if (agent !== 0) take(agent, 0, first);
    for (const p of parents) if (changes[p].agent !== agent) take(agent, changes[p].agent, written[p]);
    const text = docs[agent].getText('text');
    docs[agent].transact(() => {
      for (const [position, deleted, inserted] of edits) {
        if (deleted > 0) text.delete(position, deleted);
        if (inserted !== '') text.insert(position, inserted);
      }
    });
    written.push(updates[agent].length);
  }
  const theirs = Y.encodeStateAsUpdate(docs[1], Y.encodeStateVector(docs[0]));
  const all = Y.mergeUpdates(docs.map((doc) => Y.encodeStateAsUpdate(doc)));
  const merged = (doc, update) => {
    Y.applyUpdate(doc, update);
    return { content: doc.getText('text').toString() };
  };
  return { fresh: () => merged(new Y.Doc(), all), join: () => merged(docs[0], theirs) };
}
