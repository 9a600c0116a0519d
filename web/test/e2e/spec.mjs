// Runs the page's four samples between two browsers, again and again:
//
//   node web/test/e2e/spec.mjs --runs 50
//   node web/test/e2e/spec.mjs --firefox --runs 10   Chromium and Firefox, each the host in turn
//   node web/test/e2e/spec.mjs --relayed --runs 20   one side without WebRTC
//
// Prints `N of N passed`; the status is 0 only if all did.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openChromium, openFirefox, openFirefoxPeer, openPeer, Server } from './harness.mjs';
import { filled, readSamples, runSample, specPath } from './samples.mjs';

const pagePath = 'web/test/e2e/spec.html';

/** Takes WebRTC away, as some networks and browsers do. */
function withoutWebRTC() {
  delete globalThis.RTCPeerConnection;
}

function check(condition, what) {
  if (!condition) throw new Error(what);
}

function problemsOf(...peers) {
  return peers
    .flatMap((peer) => peer?.problems ?? [])
    .map((text) => `\n  ${text}`)
    .join('');
}

/** The server and the browsers of a series of runs. */
export class Series {
  static async open({ firefox = false, relayed = false } = {}) {
    const samples = readSamples();
    if (!samples) return undefined;
    const series = new Series();
    Object.assign(series, { samples, relayed, server: await Server.start(), chromium: await openChromium() });
    if (firefox) series.firefox = await openFirefox();
    return series;
  }

  async close() {
    await this.firefox?.close();
    await this.chromium?.close();
    await this.server?.stop();
  }

  peer(name, inFirefox, init) {
    const open = inFirefox ? openFirefoxPeer : openPeer;
    return open(inFirefox ? this.firefox : this.chromium, this.server.url + pagePath, name, { init });
  }

  /** One run with two new profiles. Throws what is wrong. */
  async run(number = 0) {
    const hostInFirefox = Boolean(this.firefox) && number % 2 === 1;
    const guestInFirefox = Boolean(this.firefox) && !hostInFirefox;
    const host = await this.peer('host', hostInFirefox);
    let guest;
    try {
      guest = await this.peer('guest', guestInFirefox, this.relayed ? withoutWebRTC : undefined);
      await this.converse(host, guest);
      check(problemsOf(host, guest) === '', 'errors on the pages');
    } catch (error) {
      error.message += problemsOf(host, guest);
      throw error;
    } finally {
      await host.close();
      await guest?.close();
    }
  }

  async converse(host, guest) {
    const { samples } = this;
    // P05 before anything, P06 in each sample; the first makes the identity.
    await runSample(host, samples.create);
    const created = await host.run(async () => {
      await until(() => globalThis.seen?.spaces.length === 1, 'the first sample makes a space');
      const [client] = seen.clients;
      return {
        spaces: client.spaces.get().length,
        open: seen.spaces[0].isOpen,
        identity: client.halo.identity.get(),
      };
    });
    check(created.spaces === 1 && created.open && created.identity, `create: ${JSON.stringify(created)}`);

    await runSample(host, samples.list);
    const listed = await host.run(async () => {
      const client = await until(() => seen.clients[1]?.initialized && seen.clients[1]);
      return { array: Array.isArray(client.spaces.get()), count: client.spaces.get().length };
    });
    check(listed.array && listed.count === 1, `list: ${JSON.stringify(listed)}`);

    await runSample(host, samples.invite);
    const offered = await host.run(async () => {
      const { code, authCode } = await until(() => seen.offered[0], 'the third sample invites');
      return { code, authCode, encoded: es.InvitationEncoder.encode(seen.offered[0].invitation.get()) };
    });
    check(/^\d{6}$/.test(offered.authCode), `P02: authCode is ${offered.authCode}`);
    check(offered.code === offered.encoded, `encode: ${JSON.stringify(offered)}`);

    await runSample(guest, filled(samples.accept, offered));
    const joined = await guest.run(async () => {
      const { space, isOpen, state } = await until(
        () => globalThis.seen?.joined[0],
        'the fourth sample joins',
      );
      return { key: space?.key.toHex(), isOpen, state };
    });
    check(joined.state === 'SUCCESS', `P03: authenticate() resolved in state ${joined.state}`);
    check(joined.isOpen, 'P04: getSpace() gave no open space');
    const key = await host.run(() => seen.spaces[1].key.toHex());
    check(joined.key === key, `P04: the guest has ${joined.key}, the host ${key}`);
    await this.exchange(host, guest);
  }

  /** Objects go both ways, by the path that was asked for. */
  async exchange(host, guest) {
    await host.run(async () => {
      globalThis.space = seen.spaces[1];
      space.db.add(new es.Expando({ from: 'host' }));
      await space.db.flush();
    });
    await guest.run(async () => {
      globalThis.space = seen.joined[0].space;
      const [object] = await until(() => {
        const { objects } = space.db.query({ from: 'host' });
        return objects.length > 0 && objects;
      }, "the host's object arrives");
      object.answer = 'guest';
      space.db.add(new es.Expando({ from: 'guest' }));
      await space.db.flush();
    });
    await host.run(() =>
      until(() => {
        const answers = space.db.query({ answer: 'guest' }).objects.length;
        return answers === 1 && space.db.query({ from: 'guest' }).objects.length === 1;
      }, "the guest's object and change arrive"),
    );
    if (!this.relayed) return;
    for (const [peer, name] of [
      [host, 'host'],
      [guest, 'guest'],
    ]) {
      const paths = await peer.run(
        (own) =>
          until(() => {
            const client = seen.clients.at(-1);
            const peers = client.mesh.networkStatus.get().peers;
            const others = peers.filter((p) => !p.identityKey.equals(client.halo.identity.get().identityKey));
            return others.length > 0 && others.map((p) => p.path);
          }, `${own} says by which path it is connected`),
        name,
      );
      check(
        paths.every((path) => path === 'relayed'),
        `N13: ${name} says ${paths}`,
      );
    }
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1' },
      firefox: { type: 'boolean', default: false },
      relayed: { type: 'boolean', default: false },
    },
  });
  const runs = Number(values.runs);
  const series = await Series.open(values);
  const say = (text) => process.stdout.write(`${text}\n`);
  if (!series) return say(`skipped: ${specPath} is not there (ECHOSPACE_SPEC)`);
  let passed = 0;
  try {
    if (values.firefox && !series.firefox) return say('skipped: Firefox is not installed');
    for (let number = 0; number < runs; number++) {
      const began = Date.now();
      try {
        await series.run(number);
        passed++;
        say(`run ${number + 1}: ${Date.now() - began} ms`);
      } catch (error) {
        // The stack does not have what was added to the message since.
        say(`run ${number + 1}: FAILED: ${error.message}\n${error.stack}`);
      }
    }
  } finally {
    await series.close();
  }
  say(`${passed} of ${runs} passed`);
  process.exitCode = passed === runs ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
