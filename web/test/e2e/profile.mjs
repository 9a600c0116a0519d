// A browser on a profile directory that outlives it, for tests that kill the
// browser, copy its files or look into them.

import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import puppeteer from 'puppeteer-core';
import { chromiumOptions, limit, Peer } from './harness.mjs';

/** Numbers from 0 to 1 that a seed decides (mulberry32, Tommy Ettinger). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Runs a series if the file of that URL is the script that was started, and says how it went. */
export async function asScript(url, series, usual) {
  if (process.argv[1] !== fileURLToPath(url)) return;
  const { values } = parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } });
  const runs = Number(values.runs ?? usual);
  const say = (text) => process.stdout.write(`${text}\n`);
  const passed = await series({ runs, seed: Number(values.seed ?? freshSeed()), say });
  say(`${passed} of ${runs} passed`);
  process.exitCode = passed === runs ? 0 : 1;
}

/** A series for `asScript` of a run that gives what it found, or throws. It gives how often all was well. */
export const seriesOf =
  (run) =>
  async ({ runs, say }) => {
    let passed = 0;
    for (let number = 1; number <= runs; number++) {
      const began = Date.now();
      try {
        say(`run ${number}: ${await run()}; ${Date.now() - began} ms`);
        passed++;
      } catch (error) {
        say(`run ${number}: ${error.stack ?? error}`);
      }
    }
    return passed;
  };

export function freshSeed() {
  return Math.floor(Math.random() * 2 ** 32);
}

export class Profile {
  static async make() {
    return new Profile(await mkdtemp(join(tmpdir(), 'echospace-profile-')));
  }

  constructor(directory) {
    this.directory = directory;
    this.said = [];
  }

  remove() {
    return rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  /** Copies the files to another directory. The browser must be closed. */
  async copy() {
    const other = await Profile.make();
    await cp(this.directory, other.directory, { recursive: true, verbatimSymlinks: true });
    return other;
  }

  /** Starts a browser; one at a time. */
  async launch() {
    this.browser = await puppeteer.launch({
      ...chromiumOptions,
      args: [...chromiumOptions.args, '--enable-logging=stderr', '--log-level=0'],
      userDataDir: this.directory,
      headless: true,
      protocolTimeout: 3 * limit,
    });
    // What the browser says of its storage, should it lose it.
    this.browser.process().stderr.on('data', (chunk) => {
      for (const line of String(chunk).split('\n')) {
        if (/indexed_?db|leveldb|corrupt|quota/i.test(line)) this.said.push(line);
      }
    });
    return this.browser;
  }

  /** Opens the page in a tab. */
  async tab(url, name, context = this.browser) {
    const page = await context.newPage();
    page.setDefaultTimeout(limit);
    const tab = new Peer(name, page, () => page.close());
    await tab.load(url);
    return tab;
  }

  /** Ends the browser as a person does. */
  async close() {
    await this.browser?.close();
    this.browser = undefined;
  }

  /** Kills every process of the browser at once. */
  async kill() {
    const { browser } = this;
    if (!browser) return;
    this.browser = undefined;
    const child = browser.process();
    const exited = new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      child.once('exit', resolve);
    });
    // The browser leads a process group of its own.
    process.kill(-child.pid, 'SIGKILL');
    await exited;
  }
}
