// `make bench`: what Echospace takes in real Chromium, beside the raw browser
// primitives in the same run. Rounds interleave what is compared; a row gives
// the median and, in brackets, the least and the most of all rounds.
//
//   node web/test/bench.mjs [--rounds 5] [--objects 10000] [--pings 100]

import { statSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { arrive } from './arrive.mjs';
import { accept, authenticate, offer, openChromium, openPeer, root, Server, share } from './e2e/harness.mjs';
import { median, quantile, sort, spread } from './figures.mjs';
import { queries } from './queries.mjs';
import { reading } from './reading.mjs';
import { repacked } from './repacked.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    objects: { type: 'string', default: '10000' },
    pings: { type: 'string', default: '100' },
  },
});
const rounds = Number(values.rounds);
const objects = Number(values.objects);
const pings = Number(values.pings);

/** Figures by row, in the order in which rows were first seen. */
const rows = new Map();

function note(row, unit, value) {
  if (!rows.has(row)) rows.set(row, { unit, figures: [] });
  rows.get(row).figures.push(value);
}

/** No WebRTC on this page: everything is relayed. */
const withoutWebRTC = () => Reflect.deleteProperty(globalThis, 'RTCPeerConnection');

/** Watches for tasks over 50 ms, which hold up the page. */
const watchLongTasks = () => {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longTasks.push(duration);
  }).observe({ type: 'longtask', buffered: true });
};

/** From navigation to initialize() done, in a new browser process and then after a reload. */
async function start(url) {
  const browser = await openChromium();
  try {
    const peer = await openPeer(browser, `${url}?start`, 'start');
    const timed = () => peer.run(() => until(() => globalThis.startedIn));
    note('navigation to initialize() done, cold process', 'ms', await timed());
    await peer.reload();
    note('navigation to initialize() done, warm', 'ms', await timed());
  } finally {
    await browser.close();
  }
}

/** Two pages joined by a data channel of the browser alone. */
async function rawChannel(browser, url) {
  const a = await openPeer(browser, url, 'raw a');
  const b = await openPeer(browser, url, 'raw b');
  const prepare = (makesOffer) => {
    globalThis.pc = new RTCPeerConnection();
    globalThis.channel = pc.createDataChannel('raw', { negotiated: true, id: 0 });
    channel.binaryType = 'arraybuffer';
    globalThis.complete = new Promise((resolve) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
    });
    if (!makesOffer) return undefined;
    return pc
      .createOffer()
      .then((o) => pc.setLocalDescription(o))
      .then(() => complete)
      .then(() => pc.localDescription.toJSON());
  };
  const offered = await a.run(prepare, true);
  await b.run(prepare, false);
  const answered = await b.run(async (o) => {
    await pc.setRemoteDescription(o);
    await pc.setLocalDescription(await pc.createAnswer());
    await complete;
    return pc.localDescription.toJSON();
  }, offered);
  await a.run((o) => pc.setRemoteDescription(o), answered);
  for (const peer of [a, b]) await peer.run(() => until(() => channel.readyState === 'open'));
  return [a, b];
}

/**
 * How long what is measured rests before the next time: people do not type at
 * every opportunity, and edits closer than 10 ms share a block.
 */
const rest = 25;

/** Round trips of a raw message, in ms. */
async function rawPings(a, b, n) {
  await b.run(() => {
    channel.onmessage = ({ data }) => channel.send(data);
  });
  return a.run(
    async ([count, pause]) => {
      const times = [];
      for (let i = 0; i < count; i++) {
        await new Promise((resolve) => setTimeout(resolve, pause));
        const begun = performance.now();
        await new Promise((resolve) => {
          channel.onmessage = resolve;
          channel.send(new Uint8Array(400));
        });
        times.push(performance.now() - begun);
      }
      return times;
    },
    [n, rest],
  );
}

/** Sends that many bytes in messages of 60 KiB, waiting for bufferedamountlow; gives ms until all were received. */
async function rawTransfer(a, b, bytes) {
  const received = b.run((total) => {
    globalThis.receivedAll = new Promise((resolve) => {
      let got = 0;
      channel.onmessage = ({ data }) => {
        got += data.byteLength;
        if (got >= total) {
          channel.send(new Uint8Array(1));
          resolve();
        }
      };
    });
  }, bytes);
  await received;
  return a.run(async (total) => {
    const done = new Promise((resolve) => {
      channel.onmessage = resolve;
    });
    channel.bufferedAmountLowThreshold = 64 << 10;
    const begun = performance.now();
    for (let sent = 0; sent < total; ) {
      const size = Math.min(60 << 10, total - sent);
      channel.send(new Uint8Array(size));
      sent += size;
      if (channel.bufferedAmount > 128 << 10) {
        await new Promise((resolve) => {
          channel.onbufferedamountlow = resolve;
        });
      }
    }
    await done;
    return performance.now() - begun;
  }, bytes);
}

/** Write on one page to callback on the other and back, in ms: half of it is one way. */
async function echoes(host, guest, n) {
  await guest.run(() => {
    space.db.query({ kind: 'ping' }).subscribe(({ added, changed }) => {
      for (const o of [...added, ...changed]) if (o.pong !== o.ping) o.pong = o.ping;
    });
  });
  return host.run(
    async ([count, pause]) => {
      const o = space.db.add(new es.Expando({ kind: 'ping', ping: 0, pong: 0 }));
      let answered = () => {};
      space.db.query({ kind: 'ping' }).subscribe(() => o.pong === o.ping && answered());
      const times = [];
      for (let i = 1; i <= count; i++) {
        await new Promise((resolve) => setTimeout(resolve, pause));
        const begun = performance.now();
        await new Promise((resolve) => {
          answered = resolve;
          o.ping = i;
        });
        times.push(performance.now() - begun);
      }
      return times;
    },
    [n, rest],
  );
}

async function latency(browser, url, path) {
  const init = path === 'relayed' ? withoutWebRTC : undefined;
  const host = await openPeer(browser, url, 'Ada', { init });
  const guest = await openPeer(browser, url, 'Bob', { init });
  try {
    for (const peer of [host, guest]) await peer.open({ identity: peer.name });
    await share(host, guest);
    await host.run((p) => until(() => client.mesh.networkStatus.get().peers.some((x) => x.path === p)), path);
    const times = sort(await echoes(host, guest, pings)).map((t) => t / 2);
    note(`write to callback, ${path}, p50`, 'ms', quantile(times, 0.5));
    note(`write to callback, ${path}, p99`, 'ms', quantile(times, 0.99));
  } finally {
    await host.close();
    await guest.close();
  }
}

/** A guest joins a space with many objects: from the code typed to all of them there. */
async function lateJoin(browser, url, channel) {
  const host = await openPeer(browser, url, 'Ada');
  const guest = await openPeer(browser, url, 'Bob', { init: watchLongTasks });
  try {
    for (const peer of [host, guest]) await peer.open({ identity: peer.name });
    const bytes = await host.run(async (count) => {
      globalThis.space = await client.createSpace();
      let size = 0;
      for (let i = 0; i < count; i++) {
        const o = { kind: 'task', title: `task ${i}`, rank: i, done: i % 3 === 0, note: 'n'.repeat(220) };
        size += JSON.stringify(o).length;
        space.db.add(new es.Expando(o));
      }
      await space.db.flush();
      return size;
    }, objects);
    const { code, authCode } = await offer(host);
    await guest.run(() => {
      longTasks.length = 0;
      globalThis.begun = performance.now();
    });
    await accept(guest, code);
    await authenticate(guest, authCode);
    note(
      'invite to joined (code typed to space usable)',
      'ms',
      await guest.run(() => performance.now() - begun),
    );
    const ms = await guest.run(async (count) => {
      const from = performance.now();
      await new Promise((resolve) => {
        space.db
          .query({ kind: 'task' })
          .subscribe(({ objects: found }) => found.length >= count && resolve());
      });
      return performance.now() - from;
    }, objects);
    const raw = await rawTransfer(...channel, bytes);
    note(`late joiner, ${objects} objects`, 'MB/s of JSON', bytes / 1000 / ms);
    note('raw data channel, the same bytes', 'MB/s', bytes / 1000 / raw);
    note('longest task on the joining page', 'ms', Math.max(0, ...(await guest.run(() => longTasks))));
  } finally {
    await host.close();
    await guest.close();
  }
}

/** One awaited durable write, beside one IndexedDB transaction of the same page. */
async function durable(browser, url) {
  const peer = await openPeer(browser, url, 'Ada');
  try {
    await peer.open({ identity: 'Ada' });
    const figures = await peer.run(async (pause) => {
      const space = await client.createSpace();
      const o = space.db.add(new es.Expando({ n: 0 }));
      await space.db.flush();
      const database = await new Promise((resolve) => {
        const request = indexedDB.open('raw', 1);
        request.onupgradeneeded = () => request.result.createObjectStore('kv');
        request.onsuccess = () => resolve(request.result);
      });
      const ours = [];
      const raw = [];
      for (let i = 1; i <= 100; i++) {
        await new Promise((resolve) => setTimeout(resolve, pause));
        let begun = performance.now();
        o.n = i;
        await space.db.flush();
        ours.push(performance.now() - begun);
        await new Promise((resolve) => setTimeout(resolve, pause));
        begun = performance.now();
        await new Promise((resolve) => {
          const tx = database.transaction('kv', 'readwrite', { durability: 'relaxed' });
          tx.objectStore('kv').put(new Uint8Array(300), i);
          tx.oncomplete = resolve;
        });
        raw.push(performance.now() - begun);
      }
      return { ours, raw };
    }, rest);
    note('one awaited durable write', 'ms', median(figures.ours));
    note('raw IndexedDB transaction', 'ms', median(figures.raw));
  } finally {
    await peer.close();
  }
}

/**
 * The collector of the core runs on the page's one thread. A page that edits in
 * every task notices it as a gap between two tasks; the control does the same
 * to a plain object.
 */
async function pauses(browser, url) {
  const peer = await openPeer(browser, url, 'Ada');
  try {
    await peer.open({ identity: 'Ada' });
    const gaps = await peer.run(async (count) => {
      const space = await client.createSpace();
      for (let i = 0; i < count; i++) {
        space.db.add(new es.Expando({ kind: 'task', title: `task ${i}`, rank: i, note: 'n'.repeat(220) }));
      }
      await space.db.flush();
      const tasks = async (edit) => {
        const { port1, port2 } = new MessageChannel();
        const list = [];
        for (let last = performance.now(), end = last + 4000; last < end; ) {
          edit(list.length);
          await new Promise((resolve) => {
            port1.onmessage = resolve;
            port2.postMessage(0);
          });
          const now = performance.now();
          list.push(now - last);
          last = now;
        }
        return list.sort((x, y) => x - y);
      };
      const live = space.db.add(new es.Expando({ kind: 'counter', n: 0 }));
      const plain = { n: 0 };
      const control = await tasks((i) => {
        plain.n = i;
      });
      const ours = await tasks((i) => {
        live.n = i;
      });
      const of = (list) => ({ long: list[Math.floor(0.999 * list.length)], longest: list.at(-1) });
      return { ours: of(ours), control: of(control) };
    }, objects);
    note(`gap between two tasks that edit, ${objects} objects loaded, p99.9`, 'ms', gaps.ours.long);
    note(`gap between two tasks that edit, ${objects} objects loaded, longest`, 'ms', gaps.ours.longest);
    note('the same with a plain object, longest', 'ms', gaps.control.longest);
  } finally {
    await peer.close();
  }
}

function downloads() {
  const size = (name) => statSync(join(root, 'web/dist', name)).size;
  for (const [label, suffix] of [
    ['raw', ''],
    ['gzip', '.gz'],
    ['brotli', '.br'],
  ]) {
    note(`download, ${label}`, 'bytes', size(`echospace.wasm${suffix}`) + size(`index.js${suffix}`));
  }
}

/** What a row is compared with, and whether more is better. */
const comparisons = {
  'write to callback, direct, p50': 'raw data channel round trip / 2, p50',
  'write to callback, direct, p99': 'raw data channel round trip / 2, p99',
  [`late joiner, ${objects} objects`]: 'raw data channel, the same bytes',
  'one awaited durable write': 'raw IndexedDB transaction',
};

/** Prints what was noted since the last report. */
function report(what) {
  console.log(`\nChromium ${browser.version()}, Node ${process.version}, ${cpus().length} cores, ${what}\n`);
  console.log('| what | median [min, max] | ratio to control |\n| --- | --- | --- |');
  for (const [row, { unit, figures }] of rows) {
    const control = rows.get(comparisons[row]);
    const ratio = control ? `${(median(figures) / median(control.figures)).toFixed(2)}x` : '';
    console.log(`| ${row} | ${spread(figures)} ${unit} | ${ratio} |`);
  }
  rows.clear();
}

const server = await Server.start();
const url = `${server.url}web/test/e2e/page.html`;
const browser = await openChromium();
try {
  downloads();
  for (let round = 1; round <= rounds; round++) {
    console.error(`round ${round} of ${rounds}`);
    await start(url);
    const channel = await rawChannel(browser, url);
    const times = sort(await rawPings(...channel, pings)).map((t) => t / 2);
    note('raw data channel round trip / 2, p50', 'ms', quantile(times, 0.5));
    note('raw data channel round trip / 2, p99', 'ms', quantile(times, 0.99));
    await latency(browser, url, 'direct');
    await latency(browser, url, 'relayed');
    await lateJoin(browser, url, channel);
    await durable(browser, url);
    await pauses(browser, url);
    await queries(browser, url, watchLongTasks, note);
    await arrive(browser, url, watchLongTasks, note);
    await reading(browser, url, note);
    for (const peer of channel) await peer.close();
  }
  report(`${rounds} rounds`);
  await repacked(browser, url, note); // many minutes, and always the same bytes
  report('once');
} finally {
  await browser.close();
  await server.stop();
}
