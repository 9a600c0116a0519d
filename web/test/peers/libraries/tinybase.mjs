// TinyBase with its IndexedDB persister behind the common interface; see
// ../libraries.mjs. The persister writes the whole store each time, so it is
// asked to once, in the end: with autosave, each transaction would.

import { createStore } from 'tinybase';
import { createIndexedDbPersister } from 'tinybase/persisters/persister-indexed-db';
import { createQueries } from 'tinybase/queries';

export async function objects() {
  const store = createStore();
  // It keeps its errors to itself, and a database that is not there yet is one.
  let failure;
  const persister = createIndexedDbPersister(store, 'bench', undefined, (error) => {
    failure = error;
  });
  await persister.load();
  failure = undefined;
  const queries = createQueries(store);
  queries.setQueryDefinition('done', 'objects', ({ select, where }) => {
    select('title');
    select('rank');
    where('done', true);
  });
  let count = store.getRowCount('objects');
  const add = (object) => store.setRow('objects', String(count++), object);
  return {
    add,
    addAll: (list) => store.transaction(() => list.forEach(add)),
    set: (i, rank) => store.setCell('objects', String(i), 'rank', rank),
    rank: (i) => store.getCell('objects', String(i), 'rank'),
    half: () => queries.getResultRowIds('done'),
    read: (id) => store.getCell('objects', id, 'rank'),
    stored: async () => {
      await persister.save();
      if (failure) throw failure;
    },
    watch: (callback) => queries.addResultTableListener('done', () => callback()),
  };
}
