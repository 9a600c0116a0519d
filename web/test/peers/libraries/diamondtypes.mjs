// diamond-types behind the common interface; see ../libraries.mjs. It has no
// update events: who sends asks, after each edit, for the patch since the last.

import init, { Doc } from 'diamond-types-web';
import wasm from 'diamond-types-web/dt_bg.wasm';

export async function text() {
  const { doc, edit, ...rest } = await quietText();
  let version = doc.getLocalVersion();
  let updates = 0;
  return {
    ...rest,
    edit: (position, deleted, inserted) => {
      edit(position, deleted, inserted);
      if (doc.getPatchSince(version).length > 0) updates++;
      version = doc.getLocalVersion();
    },
    updates: () => updates,
  };
}

/** The text without anybody who would send it. */
export async function quietText() {
  await init(wasm);
  const doc = new Doc('ada');
  // It counts in characters, its callers in code units, which differ from the first wide character on.
  let wide = false;
  return {
    doc,
    edit: (position, deleted, inserted) => {
      const from = wide ? doc.wCharsToChars(position) : position;
      if (deleted > 0) doc.del(from, wide ? doc.wCharsToChars(position + deleted) - from : deleted);
      if (inserted === '') return;
      doc.ins(from, inserted);
      wide ||= /[\u{10000}-\u{10ffff}]/u.test(inserted);
    },
    content: () => doc.get(),
    size: async () => ({ bytes: doc.toBytes().length, remark: 'toBytes()' }),
  };
}
