// What is compared, in the order of the rounds, and what each takes part in.
// `file` is the module in libraries/ that puts it behind the common interface:
//
//   text()      { edit(position, deleted, inserted), updates(), content(), size(),
//                 stored()? }: an empty text; every edit is a commit of its own.
//                 `updates` counts what was handed to who would send it; `stored`
//                 resolves when everything is durable; `size` is in bytes.
//   people(trace) { fresh(), join() }: several who typed a trace (see trace.mjs). `fresh`
//                 merges all of it into an empty document, `join` what person 1 wrote
//                 into the document of person 0; both give `{ content, longest? }`,
//                 `longest` being the longest task in ms, if there was more than one.
//   returning(absence) { comeBack() }: somebody who was away; `comeBack` merges what the
//                 others wrote and gives `{ longest }`.
//   objects()   { add(object), addAll(objects), set(i, rank), rank(i), half(),
//                 read(result), stored(), watch(callback)?, ready? }: the objects of
//                 this profile. `add`, `addAll` (to an empty profile) and `set` are
//                 one transaction each, and nobody waits between them; `half` gives
//                 the objects that are done, by a query where there are queries, and
//                 `read` the rank of one of them; `watch` calls back when one of
//                 those has changed; `ready` is when the library called itself ready,
//                 if it did so before it had objects.
//
// `remark` is what a reader of the tables should know. A module leaves out what its library has not.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../e2e/harness.mjs';

export const folder = join(root, 'web/test/peers');

export const libraries = [
  {
    name: 'Echospace',
    file: 'echospace',
    packages: [],
    does: ['text', 'merge', 'returning', 'objects', 'latency', 'cold', 'memory'],
  },
  { name: 'raw IndexedDB', file: 'raw', packages: [], does: ['objects', 'cold'] },
  {
    name: 'Yjs',
    file: 'yjs',
    packages: ['yjs', 'y-indexeddb'],
    does: ['text', 'merge', 'objects', 'latency', 'cold', 'memory'],
  },
  { name: 'Yjs, in memory', file: 'yjsmemory', packages: [], does: ['text'] },
  {
    name: 'Automerge',
    file: 'automerge',
    packages: [
      '@automerge/automerge',
      '@automerge/automerge-repo',
      '@automerge/automerge-repo-storage-indexeddb',
    ],
    does: ['text', 'objects', 'latency', 'cold', 'memory'],
  },
  { name: 'Loro', file: 'loro', packages: ['loro-crdt'], does: ['text', 'merge', 'memory'] },
  { name: 'diamond-types', file: 'diamondtypes', packages: ['diamond-types-web'], does: ['text', 'memory'] },
  { name: 'diamond-types, no updates', file: 'diamondtypesquiet', packages: [], does: ['text'] },
  {
    name: 'TinyBase',
    file: 'tinybase',
    packages: ['tinybase'],
    remark: 'one save() in the end',
    does: ['objects', 'latency', 'cold', 'memory'],
  },
  { name: 'RxDB', file: 'rxdb', packages: ['rxdb'], does: ['objects', 'latency', 'cold', 'memory'] },
];

/** The versions that are installed, for the line above the tables. */
export function versions() {
  return libraries
    .flatMap(({ packages }) => packages)
    .map((name) => {
      const { version } = JSON.parse(
        readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'),
      );
      return `${name} ${version}`;
    });
}
