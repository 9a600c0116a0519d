// T01, T04: puts an older copy of a profile back, whose later blocks a peer
// holds, and goes on writing before the peer is met again:
//
//   node web/test/e2e/restore.mjs --runs 2 [--seed 1]
//
// What the peer held and what was acknowledged after the restore is there in
// the end, on both sides alike; and both go on. Prints `N of N passed`.

import { join, Server } from './harness.mjs';
import { asScript, Profile, random } from './profile.mjs';

const pagePath = 'web/test/e2e/page.html';

function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** Adds objects that bear a mark, flushed in batches. Gives the marks. */
function write(peer, name, count, to = 'store') {
  return peer.run(
    async (o) => {
      const marks = [];
      for (let n = 0; n < o.count; n++) {
        marks.push(`${o.name} ${n}`);
        space.db.add({ mark: marks.at(-1), by: o.name });
        if (n % 3 === 2) await space.db.flush();
      }
      await space.db.flush({ to: o.to });
      return marks;
    },
    { name, count, to },
  );
}

/** Every object of the space as text, sorted; the order of keys is its writer's. Runs on a page. */
function contents() {
  return space.db
    .query()
    .objects.map((o) => JSON.stringify(Object.entries(o).sort()))
    .sort();
}

class Restore {
  constructor(rng) {
    this.rng = rng;
    this.some = (most) => 1 + Math.floor(rng() * most);
  }

  async open(profile, name) {
    await profile.launch();
    const tab = await profile.tab(this.server.url + pagePath, name);
    await tab.open({ identity: name, config: { relay: this.relay.url } });
    await tab.run(async () => {
      globalThis.space = client.spaces.get()[0] ?? (await client.createSpace());
      await space.waitUntilReady();
    });
    return tab;
  }

  async run() {
    this.server = await Server.start();
    this.relay = await Server.start('relay');
    this.ada = await Profile.make();
    this.bob = await Profile.make();
    try {
      const told = await this.converse();
      for (const profile of [this.ada, this.bob, this.old]) await profile.remove();
      return told;
    } finally {
      for (const profile of [this.ada, this.bob, this.old]) await profile?.kill();
      await this.relay.stop();
      await this.server.stop();
    }
  }

  async converse() {
    const { some } = this;
    let ada = await this.open(this.ada, 'Ada');
    const bob = await this.openBob();
    await join(ada, bob);
    const all = await write(ada, 'before the copy', some(6), 'peer');
    await this.ada.close();
    this.old = await this.ada.copy();

    ada = await this.open(this.ada, 'Ada');
    const tail = await write(ada, 'after the copy', some(6), 'peer');
    all.push(...tail);
    await this.ada.close();

    // The relay is down: the restored profile does not know what it lost.
    const { port } = this.relay;
    await this.relay.stop();
    ada = await this.open(this.old, 'Ada');
    const kept = await ada.run(contents);
    check(
      kept.length === all.length - tail.length,
      `the old copy holds ${kept.length} of ${all.length} objects: the test proves nothing`,
    );
    const branch = this.rng() < 0.75 ? await write(ada, 'after the restore', some(6)) : [];
    all.push(...branch, ...(await write(bob, 'by Bob meanwhile', some(3))));

    this.relay = await Server.start('relay', port);
    await this.equal([ada, bob], all);
    // The feed is whole, or closed and another one taken: both are heard again.
    all.push(
      ...(await write(ada, 'by Ada at the end', some(3), 'peer')),
      ...(await write(bob, 'by Bob at the end', some(3), 'peer')),
    );
    await this.equal([ada, bob], all);
    // And it stays so.
    await this.old.close();
    ada = await this.open(this.old, 'Ada');
    await this.equal([ada, bob], all);
    all.push(...(await write(ada, 'by Ada once more', some(3), 'peer')));
    await this.equal([ada, bob], all);
    for (const peer of [ada, bob]) {
      const problems = peer.problems.filter((text) => !/ERR_CONNECTION_REFUSED|WebSocket/.test(text)); // of the relay's absence
      check(problems.length === 0, problems.join('\n'));
    }
    return `${tail.length} taken back, ${branch.length} on another branch, ${all.length} objects in all`;
  }

  async openBob() {
    await this.bob.launch();
    const bob = await this.bob.tab(this.server.url + pagePath, 'Bob');
    await bob.open({ identity: 'Bob', config: { relay: this.relay.url } });
    return bob;
  }

  /** Waits until every mark is there, once, and all sides are equal. */
  async equal(peers, marks) {
    for (const peer of peers) {
      await peer
        .run((n) => until(() => space.db.query().objects.length >= n, `${n} objects`), marks.length)
        .catch(async (error) => {
          const found = (await peer.run(contents)).join();
          const missing = marks.filter((mark) => !found.includes(JSON.stringify(mark)));
          throw new Error(`${peer.name} lacks ${missing.join(', ')}: ${error.message}`);
        });
    }
    const [first, ...others] = await Promise.all(peers.map((peer) => peer.run(contents)));
    const found = first.map((text) => Object.fromEntries(JSON.parse(text)).mark).sort();
    check(found.join() === [...marks].sort().join(), `there are ${found}, made were ${marks}`);
    for (const other of others)
      check(
        other.join() === first.join(),
        `the two sides differ: ${first.filter((x, i) => x !== other[i])} and ${other.filter((x, i) => x !== first[i])}`,
      );
  }
}

/** Does it that many times; gives how often all was well. */
export async function restores({ runs, seed, say }) {
  say(`seed ${seed}`);
  const rng = random(seed);
  let passed = 0;
  for (let number = 1; number <= runs; number++) {
    const began = Date.now();
    try {
      say(`run ${number}: ${await new Restore(rng).run()}; ${Date.now() - began} ms`);
      passed++;
    } catch (error) {
      say(`run ${number}: ${error.stack ?? error}`);
    }
  }
  return passed;
}

await asScript(import.meta.url, restores, 2);
