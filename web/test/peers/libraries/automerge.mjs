// Automerge behind the common interface; see ../libraries.mjs. Texts are of
// Automerge alone, objects lie in one document of an automerge-repo in IndexedDB.

import * as Automerge from '@automerge/automerge';
import { Repo } from '@automerge/automerge-repo';
import { IndexedDBStorageAdapter } from '@automerge/automerge-repo-storage-indexeddb';

export async function text() {
  let doc = Automerge.from({ text: '' });
  let updates = 0;
  return {
    edit: (position, deleted, inserted) => {
      doc = Automerge.change(doc, (d) => Automerge.splice(d, ['text'], position, deleted, inserted));
      if (Automerge.getLastLocalChange(doc)) updates++;
    },
    updates: () => updates,
    content: () => doc.text,
    size: async () => ({ bytes: Automerge.save(doc).length, remark: 'save()' }),
  };
}

export async function objects() {
  const repo = new Repo({ storage: new IndexedDBStorageAdapter() });
  const known = localStorage.getItem('document');
  const handle = known ? await repo.find(known) : repo.create({ objects: {} });
  localStorage.setItem('document', handle.url);
  let count = 0;
  const add = (doc, object) => {
    doc.objects[String(count++)] = object;
  };
  return {
    add: (object) => handle.change((doc) => add(doc, object)),
    addAll: (list) =>
      handle.change((doc) => {
        for (const object of list) add(doc, object);
      }),
    set: (i, rank) =>
      handle.change((doc) => {
        doc.objects[String(i)].rank = rank;
      }),
    rank: (i) => handle.doc().objects[String(i)].rank,
    half: () => Object.values(handle.doc().objects).filter((object) => object.done),
    read: (object) => object.rank,
    stored: () => repo.flush(),
    watch: (callback) => handle.on('change', callback),
  };
}
