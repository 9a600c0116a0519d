// A new browser process on a profile that has objects: how long until the first
// answer, which is half of them.

import { Profile } from '../e2e/profile.mjs';
import { withProfile } from './pages.mjs';

export const heading = 'Cold start';

/** Makes objects, and changes each of them until it was written so many times. */
async function fill({ count, history }) {
  const db = await library.objects();
  db.addAll(Array.from({ length: count }, (_, i) => record(i)));
  await db.stored();
  for (let round = 1; round < history; round++) {
    for (let i = 0; i < count; i++) db.set(i, round * count + i);
    await db.stored();
  }
  await new Promise((resolve) => setTimeout(resolve, 10_000)); // for what a library does in idle time
}

/** When what was there, in ms from the navigation: libraries with wasm inside of them load longer. */
async function ask() {
  const loaded = performance.now();
  const db = await library.objects();
  const half = await db.half();
  const answered = performance.now();
  for (const result of half) db.read(result);
  return { half: half.length, ready: db.ready ?? loaded, answered, read: performance.now() };
}

export async function measure({ url, library, cap, objects, table }) {
  const count = Math.ceil(objects / 10);
  for (const history of library.does.includes('returning') ? [1, 10] : [1]) {
    const suffix = history > 1 ? `, each written ${history} times` : '';
    await start(`${count} objects${suffix}`, history);
  }

  async function start(what, history) {
    const query = `initialize() done (others: library loaded) to first result, ${what}`;
    const profile = await Profile.make();
    try {
      const at = [profile.directory, url, library, 3 * cap];
      await withProfile(...at, (page) => page.run(fill, { count, history }));
      const first = await withProfile(...at, (page) => page.run(ask));
      if (first.half !== Math.ceil(count / 2))
        throw new Error(`${first.half} objects came back, not half of ${count}`);
      table.note(query, library.name, 'ms', first.answered - first.ready);
      table.note(
        `one property of each result read too, ${what}`,
        library.name,
        'ms',
        first.read - first.ready,
      );
      table.note(`navigation to first result, ${what}`, library.name, 'ms', first.answered);
    } catch (error) {
      table.fail(query, library.name, error);
    } finally {
      await profile.remove();
    }
  }
}
