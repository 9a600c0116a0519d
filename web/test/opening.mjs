// Opening a space of many members and credentials: a native member hands it to a page,
// which then opens it from its own storage, in a process of its own each time.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { chromiumOptions, eventually, openPeer, root } from './e2e/harness.mjs';

/** Builds the member. */
export function buildMember() {
  const file = join(root, '.cache/client.test');
  execFileSync('go', ['test', '-c', '-o', file, './core/client'], { cwd: root, stdio: 'inherit' });
  return file;
}

/** Starts the member at a relay, with a space of that size; gives its invitation, and what ends it. */
async function startMember(file, relay, { members, credentials }) {
  const args = [
    '-test.run',
    'xxx',
    '-test.bench',
    '^BenchmarkServe$',
    '-test.benchtime',
    '1x',
    '-client.serve',
    relay,
  ];
  args.push('-client.members', members, '-client.credentials', credentials);
  const child = spawn(file, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.stdin.end();
    });
  for await (const line of createInterface(child.stdout)) {
    const at = line.indexOf('{');
    if (at >= 0) return { invitation: JSON.parse(line.slice(at)), stop };
  }
  throw new Error(`${file} gave no invitation`);
}

/** Watches for tasks over 50 ms. */
const watchLongTasks = () => {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longTasks.push(duration);
  }).observe({ type: 'longtask', buffered: true });
};

/** Runs on a page: whether a snapshot of its space is stored. */
async function hasSnapshot() {
  const db = await openDatabase();
  const key = new Uint8Array([
    ...new TextEncoder().encode('s/'),
    ...client.spaces.get()[0].key.asUint8Array(),
  ]);
  const count = await asked(db.transaction('kv').objectStore('kv').count(key));
  db.close();
  return count > 0;
}

const longest = (peer) =>
  peer.run(async () => {
    await new Promise((resolve) => setTimeout(resolve, 200)); // the observer is told late
    return Math.max(0, ...longTasks.splice(0));
  });

/** Notes what opening takes: once after joining, and `rounds` times in new processes. */
export async function opening(url, { rounds, members, credentials }, note) {
  const what = `${members} members, ${credentials} credentials`;
  const profile = mkdtempSync(join(tmpdir(), 'echospace-trust-'));
  const { invitation, stop } = await startMember(buildMember(), `${url.replace('http', 'ws')}relay`, {
    members,
    credentials,
  });
  const page = `${url}web/test/e2e/page.html?limit=300000`;
  const visit = async (f) => {
    const context = await chromium.launchPersistentContext(profile, chromiumOptions);
    try {
      await f(await openPeer(context.browser(), page, 'Bob', { init: watchLongTasks, context }));
    } finally {
      await context.close();
    }
  };
  const complete = (peer) =>
    peer.run((n) => until(() => client.spaces.get()[0]?.members.get().length === n), members + 1);
  try {
    await visit(async (peer) => {
      await peer.open({ identity: 'Bob' });
      await longest(peer);
      const ms = await peer.run(async ({ code, authCode }) => {
        const begun = performance.now();
        await client.acceptInvitation(code).authenticate(authCode);
        return performance.now() - begun;
      }, invitation);
      const begun = performance.now();
      await complete(peer);
      note(`joining, ${what}: to SUCCESS`, ms);
      note(`joining, ${what}: to all members`, ms + performance.now() - begun);
      note(`joining, ${what}: longest task`, await longest(peer));
      await peer.run(() => client.spaces.get()[0].db.flush());
      await eventually(() => peer.run(hasSnapshot), 'the page wrote a snapshot');
    });
    for (let round = 0; round < rounds; round++) {
      await visit(async (peer) => {
        const ms = await peer.run(async () => {
          const begun = performance.now();
          globalThis.client = await open();
          return performance.now() - begun;
        });
        await complete(peer);
        note(`opening again, ${what}`, ms);
        note(`opening again, ${what}: longest task`, await longest(peer));
      });
    }
  } finally {
    await stop();
    rmSync(profile, { recursive: true, force: true });
  }
}
