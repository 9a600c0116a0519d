// Objects of 300 bytes: many single transactions, many single changes, and many
// objects at once, each until the library itself says that all is durable.

import { withPage } from './pages.mjs';

export const heading = 'Objects of 300 bytes';

/** Adds objects one by one. */
async function add({ count, cap }) {
  const db = await library.objects();
  const list = Array.from({ length: count }, (_, i) => record(i));
  const run = repeat(count, cap, (i) => db.add(list[i]));
  if (run.done < count) return run;
  run.stored = await within(cap, run.begun, db.stored());
  const half = run.stored && (await db.half()).length;
  if (run.stored && half !== Math.ceil(count / 2))
    throw new Error(`${half} objects are done, not half of ${count}`);
  return run;
}

/** Changes one property of each of the objects that are there. */
async function change({ count, cap }) {
  const db = await library.objects();
  db.addAll(Array.from({ length: count }, (_, i) => record(i)));
  await db.stored();
  const run = repeat(count, cap, (i) => db.set(i, -i));
  if (run.done < count) return run;
  run.stored = await within(cap, run.begun, db.stored());
  if (run.stored && db.rank(count - 1) !== 1 - count) throw new Error('a change is lost');
  return run;
}

/** Adds objects all at once. */
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
  await time(`${single} transactions of one object`, add, single);
  await time(`${single} changes of one property`, change, single);
  await time(`${objects} objects at once`, together, objects);

  async function time(what, f, count) {
    try {
      note(what, await withPage(url, library, 3 * cap, (page) => page.run(f, { count, cap })));
    } catch (error) {
      table.fail(what, library.name, error);
    }
  }

  function note(what, { done, total, ms, stored }) {
    const capped = (figure, remark) => table.note(what, library.name, 'ms', figure, { bound: true, remark });
    if (done < total) capped((ms / done) * total, `capped after ${done} of ${total}, extrapolated`);
    else if (stored === undefined) capped(Math.max(ms, cap), 'capped: not durable by then');
    else table.note(what, library.name, 'ms', stored, { remark: library.remark });
  }
}
