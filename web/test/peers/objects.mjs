// Objects of 300 bytes: many single transactions, many single changes, and many
// objects at once, each until the library itself says that all is durable.

import { withPage } from './pages.mjs';

export const heading = 'Objects of 300 bytes';

/** Adds objects one by one, and then changes one property of each. */
async function singly({ count, cap }) {
  const db = await library.objects();
  const list = Array.from({ length: count }, (_, i) => record(i));
  const added = repeat(count, cap, (i) => db.add(list[i]));
  if (added.done < count) return { added };
  added.stored = await within(cap, added.begun, db.stored());
  if (added.stored === undefined) return { added };
  const half = (await db.half()).length;
  if (half !== Math.ceil(count / 2)) throw new Error(`${half} objects are done, not half of ${count}`);
  const changed = repeat(count, cap, (i) => db.set(i, -i));
  if (changed.done < count) return { added, changed };
  changed.stored = await within(cap, changed.begun, db.stored());
  if (changed.stored !== undefined && db.rank(count - 1) !== 1 - count) throw new Error('a change is lost');
  return { added, changed };
}

async function together({ count, cap }) {
  const db = await library.objects();
  const list = Array.from({ length: count }, (_, i) => record(i));
  const added = repeat(1, cap, () => db.addAll(list));
  added.stored = await within(cap, added.begun, db.stored());
  const half = added.stored && (await db.half()).length;
  if (added.stored && half !== Math.ceil(count / 2))
    throw new Error(`${half} objects are done, not half of ${count}`);
  return added;
}

export async function measure({ url, library, cap, objects, table }) {
  const single = Math.ceil(objects / 10);
  const adds = `${single} transactions of one object`;
  const sets = `${single} changes of one property`;
  const bulk = `${objects} objects at once`;
  try {
    const run = (page) => page.run(singly, { count: single, cap });
    const { added, changed } = await withPage(url, library, 5 * cap, run);
    note(adds, added);
    if (changed) note(sets, changed);
    else table.note(sets, library.name, 'ms', undefined, { remark: 'not begun: adding them was capped' });
  } catch (error) {
    table.fail(adds, library.name, error);
  }
  try {
    note(bulk, await withPage(url, library, 3 * cap, (page) => page.run(together, { count: objects, cap })));
  } catch (error) {
    table.fail(bulk, library.name, error);
  }

  function note(what, { done, total, ms, stored }) {
    const capped = (figure, remark) => table.note(what, library.name, 'ms', figure, { bound: true, remark });
    if (done < total) capped((ms / done) * total, `capped after ${done} of ${total}, extrapolated`);
    else if (stored === undefined) capped(Math.max(ms, cap), 'capped: not durable by then');
    else table.note(what, library.name, 'ms', stored);
  }
}
