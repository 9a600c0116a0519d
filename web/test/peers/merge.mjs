// What people wrote at once, merged: all of it into an empty document, as by who
// joins later, and one of two long branches into the other. What a library sends
// is made before the time counts. Echospace's part is a program of its own; see
// merge/main.go.

import { withPage } from './pages.mjs';
import { prepareBranches, prepareConcurrent } from './trace.mjs';

export const heading = 'Merging texts';

const trace = 'friendsforever';

/** Merges on the page, and gives how long that took, and the longest task of it. */
async function merge({ path, how }) {
  const written = await (await fetch(`/${path}`)).json();
  const people = await library.people(written);
  const begun = performance.now();
  const { content, longest } = people[how]();
  const ms = performance.now() - begun;
  if (written.end !== undefined && content !== written.end) {
    throw new Error('the text in the end is not that of the trace');
  }
  return { ms, longest: longest ?? ms, length: content.length };
}

export async function measure({ url, library, cap, objects, table }) {
  const branches = `2 branches of ${objects} edits, one merged into the other`;
  await time(`${trace} into an empty document`, prepareConcurrent(trace), 'fresh');
  await time(branches, prepareBranches(objects), 'join');

  async function time(what, path, how) {
    if (!path) return;
    try {
      const merged = await withPage(url, library, 3 * cap, (page) => page.run(merge, { path, how }));
      table.note(what, library.name, 'ms', merged.ms);
      table.note(`${what}, longest task`, library.name, 'ms', merged.longest);
    } catch (error) {
      table.fail(what, library.name, error);
    }
  }
}
