// What a scenario finds on its page: one library as `library`, the objects to
// store, and a clock that gives up.

const { searchParams } = new URL(location);

/** Words that a number decides: neither equal objects nor noise. */
function words(seed, length) {
  let state = seed * 2654435761 + 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += `${(state >>> 12).toString(36)} `;
  }
  return text.slice(0, length);
}

/** The i-th object: 300 bytes of JSON. Every second one is done. */
function record(i) {
  const object = { kind: 'task', title: `task ${i}`, rank: i, done: i % 2 === 0, note: '' };
  object.note = words(i, 300 - JSON.stringify(object).length);
  return object;
}

/** Calls `step` that often in a row, or until `ms` are over. Gives how often, and in what time. */
function repeat(times, ms, step) {
  const begun = performance.now();
  let done = 0;
  while (done < times) {
    step(done++);
    if ((done & 63) === 0 && performance.now() - begun > ms) break;
  }
  return { begun, done, total: times, ms: performance.now() - begun };
}

/** The time from `begun` until the promise is there, or undefined if that takes longer than `ms`. */
async function within(ms, begun, promise) {
  const over = new Promise((resolve) => setTimeout(resolve, Math.max(0, begun + ms - performance.now())));
  return Promise.race([Promise.resolve(promise).then(() => performance.now() - begun), over]);
}

Object.assign(globalThis, { record, repeat, within });
globalThis.library = await import(`/web/test-output/peers/${searchParams.get('library')}.js`);
