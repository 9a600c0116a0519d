// Loro behind the common interface; see ../libraries.mjs.

import { LoroDoc } from 'loro-crdt/base64';

export async function text() {
  const doc = new LoroDoc();
  const content = doc.getText('text');
  let updates = 0;
  doc.subscribeLocalUpdates(() => {
    updates++;
  });
  return {
    edit: (position, deleted, inserted) => {
      if (deleted > 0) content.delete(position, deleted);
      if (inserted !== '') content.insert(position, inserted);
      doc.commit();
    },
    updates: () => new Promise((resolve) => setTimeout(() => resolve(updates))),
    content: () => content.toString(),
    size: async () => ({ bytes: doc.export({ mode: 'snapshot' }).length, remark: 'export of a snapshot' }),
  };
}

/** The people of a trace, each with a document. */
export function people({ start, agents, changes }) {
  const docs = Array.from({ length: agents }, () => new LoroDoc());
  const updates = docs.map(() => []);
  for (const [i, doc] of docs.entries()) doc.subscribeLocalUpdates((update) => updates[i].push(update));
  const taken = docs.map(() => docs.map(() => 0));
  const take = (to, from, count) => {
    const list = updates[from].slice(taken[to][from], count);
    if (list.length > 0) docs[to].importBatch(list);
    taken[to][from] = Math.max(count, taken[to][from]);
  };
  if (start) docs[0].getText('text').insert(0, start);
  docs[0].commit();
  const first = updates[0].length;
  const written = [];
  for (const { agent, parents, edits } of changes) {
    if (agent !== 0) take(agent, 0, first);
    for (const p of parents) if (changes[p].agent !== agent) take(agent, changes[p].agent, written[p]);
    const text = docs[agent].getText('text');
    for (const [position, deleted, inserted] of edits) {
      if (deleted > 0) text.delete(position, deleted);
      if (inserted !== '') text.insert(position, inserted);
    }
    docs[agent].commit();
    written.push(updates[agent].length);
  }
  const theirs = docs[1].export({ mode: 'update', from: docs[0].version() });
  const merged = (doc, list) => {
    doc.importBatch(list);
    return { content: doc.getText('text').toString() };
  };
  const all = docs.map((doc) => doc.export({ mode: 'update' }));
  return { fresh: () => merged(new LoroDoc(), all), join: () => merged(docs[0], [theirs]) };
}
