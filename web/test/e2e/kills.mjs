// T01, T02: kills the browser while two tabs of one profile write, again and
// again on the same profile:
//
//   node web/test/e2e/kills.mjs --runs 200 [--seed 1]
//
// Each tab tells Node what `await space.db.flush()` has acknowledged. After each
// kill all of that must be there, once, in both tabs; each tab sees what the
// other writes; and at the end another person gets the whole history.
// Prints `N of N passed`; the status is 0 only if all did.

import { accept, authenticate, offer, Server } from './harness.mjs';
import { asScript, Profile, random } from './profile.mjs';

const pagePath = 'web/test/e2e/page.html';

function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** Writes batches without end and tells Node which are acknowledged. Runs on a page. */
async function write({ name, most }) {
  for (let n = 0; ; ) {
    const batch = [];
    for (let size = 1 + ((n * 7) % most); size > 0; size--, n++) {
      const mark = `${name}/${n}`;
      space.db.add({ mark, text: 'x'.repeat(100) });
      batch.push(mark);
    }
    await space.db.flush();
    acknowledge(batch);
  }
}

/** What each tab says first in a life, and that it hears the other. Runs on a page. */
async function greet({ own, other }) {
  space.db.add({ mark: own });
  await space.db.flush();
  acknowledge([own]);
  await until(() => space.db.query({ mark: other }).objects.length === 1, `${own} sees ${other}`);
}

/** The marks of all objects. Runs on a page. */
function marks() {
  return space.db.query().objects.map((o) => o.mark);
}

class Lives {
  constructor(server, profile, rng) {
    Object.assign(this, { server, profile, rng, acknowledged: new Set(), number: 0 });
  }

  async openTab(index) {
    const tab = await this.profile.tab(this.server.url + pagePath, `tab ${index}`);
    await tab.page.exposeFunction('acknowledge', (batch) => {
      for (const mark of batch) this.acknowledged.add(mark);
    });
    // Half of them write a snapshot whenever they can.
    const config = this.number % 2 === 1 ? { storage: { snapshotAfter: 1 } } : {};
    await tab.open({ config, identity: 'Ada' });
    await tab.run(async () => {
      globalThis.space = client.spaces.get()[0] ?? (await client.createSpace());
      await space.waitUntilReady();
    });
    return tab;
  }

  /** The second opens after the first, so that one of them founds the space. */
  async openBoth() {
    await this.profile.launch();
    return [await this.openTab(0), await this.openTab(1)];
  }

  async checkTab(tab, acknowledged) {
    const list = await tab.run(marks);
    const found = new Set(list);
    const missing = [...acknowledged].filter((mark) => !found.has(mark));
    check(
      missing.length === 0,
      `${tab.name}: ${missing.length} of ${acknowledged.size} acknowledged objects are missing, the first is ${missing[0]}`,
    );
    check(found.size === list.length, `${tab.name}: ${list.length - found.size} objects are doubled`);
    check(tab.problems.length === 0, tab.problems.join('\n'));
    return list.length;
  }

  /** One life: everything is there, both tabs write and see each other, the kill. */
  async live() {
    const life = ++this.number;
    // Some die while they open.
    const early = life > 1 && this.rng() < 0.2;
    const delay = Math.round(this.rng() * (early ? 1500 : 800));
    const most = 1 + Math.floor(this.rng() * 8);
    let killed = false;
    const died =
      early &&
      this.after(delay, () => {
        killed = true;
      });
    let objects = 0;
    try {
      const tabs = await this.openBoth();
      const before = new Set(this.acknowledged);
      for (const tab of tabs) objects = await this.checkTab(tab, before);
      const names = tabs.map((_, index) => `${life}/${index}`);
      await Promise.all(
        tabs.map((tab, i) => tab.run(greet, { own: `${names[i]}/hello`, other: `${names[1 - i]}/hello` })),
      );
      for (const [i, tab] of tabs.entries()) tab.run(write, { name: names[i], most }).catch(() => {}); // dies with the browser
    } catch (error) {
      if (!killed) throw error;
    }
    await (died || this.after(delay, () => {}));
    await this.profile.kill();
    return { early, delay, objects };
  }

  /** Kills the browser in a while. */
  async after(delay, note) {
    await new Promise((resolve) => setTimeout(resolve, delay));
    note();
    await this.profile.kill();
  }

  /** The last life ends well: all is there, and another person gets all of it. */
  async last() {
    const tabs = await this.openBoth();
    let objects = 0;
    for (const tab of tabs) objects = await this.checkTab(tab, this.acknowledged);
    const bob = await this.profile.tab(
      this.server.url + pagePath,
      'Bob',
      await this.profile.browser.createBrowserContext(),
    );
    await bob.open({ identity: 'Bob' });
    const { code, authCode } = await offer(tabs[0]);
    await accept(bob, code);
    const joined = await authenticate(bob, authCode);
    check(!joined.code, `Bob did not join: ${joined.code} ${joined.message}`);
    await bob.run((n) => until(() => space.db.query().objects.length === n, `Bob has all ${n}`), objects);
    await this.checkTab(bob, this.acknowledged);
    await this.profile.close();
    return objects;
  }
}

/** Kills that many times; gives how many left everything whole. */
export async function kills({ runs, seed, say }) {
  say(`seed ${seed}`);
  const server = await Server.start();
  const profile = await Profile.make();
  const lives = new Lives(server, profile, random(seed));
  let passed = 0;
  try {
    for (; passed < runs; passed++) {
      const began = Date.now();
      const { early, delay, objects } = await lives.live();
      const what = early ? 'while opening' : 'while writing';
      say(
        `kill ${passed + 1}: ${what}, after ${delay} ms; ${objects} objects were there; ${Date.now() - began} ms`,
      );
    }
    const objects = await lives.last();
    say(
      `${objects} objects, ${lives.acknowledged.size} acknowledged, all there, and with another person too`,
    );
    await profile.remove();
  } catch (error) {
    passed = Math.max(0, passed - 1); // what the last kill left is wrong
    say(`${error.stack ?? error}\nthe profile is kept in ${profile.directory}`);
    say(`the browser said of its storage: ${profile.said.slice(-20).join('\n') || 'nothing'}`);
  } finally {
    await profile.kill();
    await server.stop();
  }
  return passed;
}

await asScript(import.meta.url, kills, 3);
