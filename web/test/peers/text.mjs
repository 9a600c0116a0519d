// What people typed, typed again: one call for each edit from JavaScript, each a
// commit of its own, with updates handed to who would send them. The whole trace
// runs in one task, so this is what the libraries do and not what timers do.

import { withPage } from './pages.mjs';
import { prepareTrace } from './trace.mjs';

export const heading = 'Text, edit by edit';

/** friendsforever is not among them: it is a graph of edits by two people at once, not a list. */
const traces = ['automerge-paper', 'sveltecomponent'];

/** The trace whose stored size is compared. */
const sized = 'automerge-paper';

/** Types a trace on the page, and checks that the text is the one of the trace. */
async function type({ path, cap }) {
  const { edits, end } = await (await fetch(`/${path}`)).json();
  const text = await library.text();
  const run = repeat(edits.length, cap, (i) => text.edit(...edits[i]));
  const { begun, done, total, ms } = run;
  if (done < total) return { done, total, ms };
  const stored = text.stored ? await within(cap, begun, text.stored()) : null;
  if (text.content() !== end) throw new Error('the text in the end is not that of the trace');
  const updates = await text.updates?.();
  if (updates === 0) throw new Error('no update was captured');
  return { done, total, ms, stored, updates, size: stored === undefined ? undefined : await text.size() };
}

export async function measure({ url, library, cap, table }) {
  for (const name of traces) {
    const path = prepareTrace(name);
    if (!path) continue;
    const edits = `${name}, edits`;
    try {
      note(name, await withPage(url, library, 3 * cap, (page) => page.run(type, { path, cap })));
    } catch (error) {
      table.fail(edits, library.name, error);
    }
  }

  function note(name, { done, total, ms, stored, updates, size }) {
    const rate = `${Math.round(done / (ms / 1000))} edits/s`;
    if (done < total) {
      const remark = `capped after ${done} of ${total} edits at ${rate}, extrapolated`;
      table.note(`${name}, edits`, library.name, 'ms', (ms / done) * total, { bound: true, remark });
      return;
    }
    const remark = updates === undefined ? `${rate}, no updates` : rate;
    table.note(`${name}, edits`, library.name, 'ms', ms, { remark });
    if (stored === undefined) {
      table.note(`${name}, edits until durable`, library.name, 'ms', cap, { bound: true, remark: 'capped' });
    } else if (stored !== null) {
      table.note(`${name}, edits until durable`, library.name, 'ms', stored);
    }
    if (name === sized && size) table.note(`${name}, stored`, library.name, 'bytes', size.bytes, size);
  }
}
