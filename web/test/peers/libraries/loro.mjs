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
