// Real browsers against the real binary. A test file says
//
//   const { test, peer } = world();
//   test('I07 ...', async () => { const host = await peer('Ada'); ... });
//
// and gets one server and one browser process, which end with the file. A peer
// is a page in a context of its own: its own storage, as another person's
// browser has. Nothing sleeps; everything waits for a condition.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, test as nodeTest } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const binary = resolve(root, 'bin/echospace');
const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const firefoxPath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** How long anything may take before it counts as failed. */
export const limit = Number(process.env.ECHOSPACE_E2E_LIMIT ?? 60_000);

/** The name by which the browsers of these tests reach the server without a secure context. */
export const insecureHost = 'echospace.test';

/** Waits in Node until `condition` gives something true. */
export async function eventually(condition, what = String(condition)) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`still not so after ${limit} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A process of bin/echospace. */
export class Server {
  /** Starts `dev` (which serves the page and a relay) or `relay`; port 0 takes a free one. */
  static async start(command = 'dev', port = 0) {
    const args = [command, '--listen', `127.0.0.1:${port}`];
    if (command === 'dev') args.push('--root', root);
    const child = spawn(binary, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ECHOSPACE_LOG: 'error' },
    });
    const lines = createInterface(child.stdout);
    const line = await Promise.race([
      once(lines, 'line').then(([text]) => text),
      once(child, 'exit').then(() => ''),
      once(child, 'error').then(([error]) => Promise.reject(error)),
    ]);
    const url = /^(?:page|relay) (\S+)$/.exec(line)?.[1];
    if (!url) throw new Error(`${binary} ${args.join(' ')} did not start: ${line}; run make build`);
    return new Server(child, url);
  }

  constructor(child, url) {
    this.child = child;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  async stop(signal = 'SIGTERM') {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    await exit;
  }
}

export const chromiumOptions = {
  executablePath: chromiumPath,
  args: [
    '--no-sandbox',
    '--disable-background-networking',
    `--host-resolver-rules=MAP ${insecureHost} 127.0.0.1`,
  ],
};

export function openChromium() {
  return chromium.launch(chromiumOptions);
}

/** Opens Firefox over WebDriver BiDi; undefined where it is not installed. */
export async function openFirefox() {
  if (!existsSync(firefoxPath)) return undefined;
  return puppeteer.launch({ browser: 'firefox', executablePath: firefoxPath, headless: true });
}

/** A page with what went wrong on it. Playwright's and Puppeteer's pages are alike as far as this goes. */
export class Peer {
  constructor(name, page, close) {
    this.name = name;
    this.page = page;
    this.close = close;
    this.problems = [];
    this.allowed = [];
    page.on('console', (message) => {
      if (message.type() === 'error') this.problem(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.problem(`page: ${error.stack ?? error.message ?? error}`));
    page.on('crash', () => this.problem('the page crashed'));
  }

  problem(text) {
    if (!this.allowed.some((pattern) => pattern.test(text))) this.problems.push(`${this.name}: ${text}`);
  }

  /** Says which errors a test expects on this page. */
  allow(pattern) {
    this.allowed.push(pattern);
    this.problems = this.problems.filter((text) => !pattern.test(text));
  }

  /** Loads the page and waits until the package is there. */
  async load(url) {
    await this.page.goto(url);
    await this.page.waitForFunction('globalThis.es !== undefined', { timeout: limit });
  }

  async reload() {
    await this.page.reload();
    await this.page.waitForFunction('globalThis.es !== undefined', { timeout: limit });
  }

  /** Runs a function on the page. */
  run(f, arg) {
    return this.page.evaluate(f, arg);
  }

  /** Opens the client of the page as `client`. */
  open(options = {}) {
    return this.run(async (o) => {
      globalThis.client = await open(o);
    }, options);
  }
}

/** Opens a context of a Chromium with a page in it. `init` runs before the page's own scripts. */
export async function openPeer(browser, url, name, { init, context } = {}) {
  const own = context ?? (await browser.newContext());
  const page = await own.newPage();
  page.setDefaultTimeout(limit);
  if (init) await page.addInitScript(init);
  const peer = new Peer(name, page, () => (context ? page.close() : own.close()));
  peer.context = own;
  await peer.load(url);
  return peer;
}

/** The same in Firefox. */
export async function openFirefoxPeer(browser, url, name, { init } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(limit);
  if (init) await page.evaluateOnNewDocument(init);
  const peer = new Peer(name, page, () => context.close());
  peer.context = context;
  await peer.load(url);
  return peer;
}

const pagePath = `web/test/e2e/page.html?limit=${limit}`;

/** One server and one browser for a test file; peers are closed after each test, unless they are shared. */
export function world() {
  let server;
  let browser;
  const ofTest = [];
  const shared = new Map();

  const start = async () => {
    server ??= await Server.start();
    browser ??= await openChromium();
    return { server, browser, url: server.url + pagePath };
  };

  const make = async (name, { identity = name, config, init, context, client = true } = {}) => {
    const { url } = await start();
    const peer = await openPeer(browser, url, name, { init, context });
    if (client) await peer.open({ config, ...(identity && { identity }) });
    return peer;
  };

  const complaints = () => {
    const peers = [...ofTest, ...shared.values()];
    const problems = peers.flatMap((peer) => peer.problems);
    for (const peer of peers) {
      peer.problems = [];
      peer.allowed = [];
    }
    return problems;
  };

  afterEach(async () => {
    for (const peer of ofTest.splice(0)) await peer.close();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  return {
    start,
    /** Defines a test, which fails too when a page of it reports an error. */
    test(name, f) {
      nodeTest(name, { timeout: 3 * limit }, async (t) => {
        await f(t);
        const problems = complaints();
        if (problems.length > 0) throw new Error(`errors on the pages:\n${problems.join('\n')}`);
      });
    },
    /** A new peer for this test. Its client is open and has an identity, unless the options say otherwise. */
    async peer(name, options) {
      const peer = await make(name, options);
      ofTest.push(peer);
      return peer;
    },
    /** A peer that all tests of the file share; they make spaces of their own. */
    async sharedPeer(name) {
      if (!shared.has(name)) shared.set(name, await make(name));
      return shared.get(name);
    },
  };
}

/** Makes a space on a peer and keeps it there as `space`. Gives its key. */
export function createSpace(host) {
  return host.run(async () => {
    globalThis.space = await client.createSpace();
    return space.key.toHex();
  });
}

/**
 * Offers an invitation to `space`, or with `from` 'halo' for a device, kept as `offered`,
 * its states as `offeredStates`.
 */
export function offer(host, options = {}, from = 'space') {
  return host.run(
    ({ options, from }) => {
      globalThis.offered = (from === 'halo' ? client.halo : space).createInvitation(options);
      globalThis.offeredStates = record(offered, (value) => value.state);
      const { code, authCode } = offered.get();
      return { code, authCode };
    },
    { options, from },
  );
}

/** Accepts a code of either kind, kept as `accepted`, its states as `acceptedStates`. */
export function accept(guest, code, options) {
  return guest.run(
    ({ code, options }) => {
      const device = es.InvitationEncoder.decode(code).kind === 'DEVICE';
      globalThis.accepted = (device ? client.halo : client).acceptInvitation(code, options);
      globalThis.acceptedStates = record(accepted, (value) => value.state);
    },
    { code, options },
  );
}

/** Says the auth code; gives the outcome. A guest that has joined has the space as `space`. */
export function authenticate(guest, authCode) {
  return guest.run(async (code) => {
    const result = await outcome(accepted.authenticate(code));
    const { spaceKey } = accepted.get();
    if (result.code === undefined && spaceKey) globalThis.space = client.getSpace(spaceKey);
    return result;
  }, authCode);
}

/** Waits until `offered` or `accepted` of a peer is in a state. */
export function reaches(peer, name, state) {
  return peer.run(
    ({ name, state }) => until(() => globalThis[name].get().state === state, `${name} becomes ${state}`),
    { name, state },
  );
}

/** Waits for the end of `accepted` or `offered`: its state and its error's code. */
export function ends(peer, name) {
  return peer.run(async (name) => {
    const { code } = await outcome(globalThis[name].wait({ timeout: 60_000 }));
    return { state: globalThis[name].get().state, code };
  }, name);
}

/** Another code of six digits. */
export const wrong = (code) => (code === '111111' ? '222222' : '111111');

/** Has a guest join the host's `space`. */
export async function join(host, guest, options = {}) {
  const { code, authCode } = await offer(host, options);
  await accept(guest, code);
  const result = await authenticate(guest, authCode ?? '');
  if (result.code) throw new Error(`${guest.name} did not join: ${result.code} ${result.message}`);
}

/** Makes a space on the host and has the others join it. */
export async function share(host, ...guests) {
  const key = await createSpace(host);
  for (const guest of guests) await join(host, guest);
  return key;
}

/** Gives what something on a peer comes to, as `outcome` does. */
export function outcomeOf(peer, f) {
  return peer.run(`outcome(${f})`);
}

/** Waits until an object with that property is there, and gives its JSON. */
export function sees(peer, filter) {
  return peer.run(
    (f) =>
      until(() => space.db.query(f).objects.map((o) => JSON.parse(JSON.stringify(o)))[0], JSON.stringify(f)),
    filter,
  );
}

/** Adds an object to `space` and waits until it is stored. Gives its id. */
export function add(peer, object) {
  return peer.run(async (o) => {
    const live = space.db.add(o);
    await space.db.flush();
    return es.idOf(live);
  }, object);
}
