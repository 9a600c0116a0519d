// A peer that was away while the others changed much, and that changed a little
// itself, comes back to a space with a short history and to one with a long one.

import { withPage } from './pages.mjs';

export const heading = 'Coming back';

const touched = 100;

async function comeBack(absence) {
  const peer = await library.returning(absence);
  const begun = performance.now();
  const { longest } = peer.comeBack();
  return { ms: performance.now() - begun, longest };
}

export async function measure({ url, library, cap, objects, table }) {
  for (const history of [1, 10]) {
    const what = `${objects} changes of others, ${touched} own, to a space of ${objects} objects with history x${history}`;
    try {
      const absence = { objects, history, away: objects, touched };
      const { ms, longest } = await withPage(url, library, 3 * cap, (page) => page.run(comeBack, absence));
      table.note(what, library.name, 'ms', ms);
      table.note(`${what}, longest task`, library.name, 'ms', longest);
    } catch (error) {
      table.fail(what, library.name, error);
    }
  }
}
