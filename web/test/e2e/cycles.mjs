// Create, invite, join, edit: again and again with two new people each time,
// while processes that do nothing but compute keep the machine busy:
//
//   node web/test/e2e/cycles.mjs --runs 100 [--load 4]
//
// Prints how long it took from the code being typed to the space being usable,
// and `N of N passed`; the status is 0 only if all did.

import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { accept, add, createSpace, offer, openChromium, openPeer, Server, sees } from './harness.mjs';

const pagePath = 'web/test/e2e/page.html';

/** Starts processes that each keep a core busy. Gives what ends them. */
function load(count) {
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', 'for (;;) Math.sqrt(2)'], { stdio: 'ignore' }),
  );
  return () => {
    for (const child of children) child.kill('SIGKILL');
  };
}

/** One cycle. Gives the milliseconds from the code to the open space. */
async function cycle(browser, url) {
  const host = await openPeer(browser, url, 'Ada');
  let guest;
  try {
    guest = await openPeer(browser, url, 'Bob');
    for (const peer of [host, guest]) await peer.open({ identity: peer.name });
    await createSpace(host);
    const { code, authCode } = await offer(host);
    await guest.run(() => {
      globalThis.begun = performance.now();
    });
    await accept(guest, code);
    const ms = await guest.run(async (digits) => {
      await accepted.authenticate(digits);
      globalThis.space = client.getSpace(accepted.get().spaceKey);
      if (!space.isOpen) throw new Error('the space is not open');
      return performance.now() - begun;
    }, authCode);
    await add(guest, { from: 'guest' });
    await sees(host, { from: 'guest' });
    await host.run(async () => {
      space.db.query({ from: 'guest' }).objects[0].answer = 'host';
      await space.db.flush();
    });
    await sees(guest, { answer: 'host' });
    const problems = [host, guest].flatMap((peer) => peer.problems);
    if (problems.length > 0) throw new Error(problems.join('\n'));
    return ms;
  } finally {
    await host.close();
    await guest?.close();
  }
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    load: { type: 'string', default: String(2 * cpus().length) },
  },
});
const runs = Number(values.runs);
const say = (text) => process.stdout.write(`${text}\n`);
const server = await Server.start();
const browser = await openChromium();
const relieve = load(Number(values.load));
const times = [];
try {
  for (let number = 1; number <= runs; number++) {
    try {
      times.push(await cycle(browser, server.url + pagePath));
    } catch (error) {
      say(`cycle ${number}: FAILED: ${error.message}\n${error.stack}`);
    }
  }
} finally {
  relieve();
  await browser.close();
  await server.stop();
}
times.sort((a, b) => a - b);
const at = (q) => times[Math.min(times.length - 1, Math.floor(q * times.length))]?.toFixed(0);
say(`code typed to space usable, ${values.load} busy processes on ${cpus().length} cores:`);
say(`p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`);
say(`${times.length} of ${runs} passed`);
process.exitCode = times.length === runs ? 0 : 1;
