// Pages of the benchmark. Each has a browser process of its own: what a library
// has queued there when it is cut short is not in the way of the next one.

import { chromium } from 'playwright-core';
import { chromiumOptions, openChromium, Peer } from '../e2e/harness.mjs';

async function open(context, url, { name, file }, { init } = {}) {
  const page = await context.newPage();
  if (init) await page.addInitScript(init);
  const peer = new Peer(name, page, () => context.close());
  await page.goto(`${url}web/test/peers/page.html?library=${file}`);
  await page.waitForFunction('globalThis.library !== undefined', { timeout: 60_000 });
  return peer;
}

/**
 * Runs `f` with a page of a library in a fresh browser; fails if that takes longer
 * than `ms`. `init` runs on the page before anything else.
 */
export async function withPage(url, library, ms, f, { init } = {}) {
  const browser = await openChromium();
  try {
    return await limited(ms, await open(await browser.newContext(), url, library, { init }), f);
  } finally {
    await browser.close();
  }
}

/** The same in a new browser process on a profile folder, whose files outlive it. */
export async function withProfile(directory, url, library, ms, f, { init } = {}) {
  const context = await chromium.launchPersistentContext(directory, chromiumOptions);
  try {
    return await limited(ms, await open(context, url, library, { init }), f);
  } finally {
    await context.close();
  }
}

async function limited(ms, peer, f) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer after ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([f(peer), over]);
  } catch (error) {
    // What the page itself complained about says more than what it led to.
    throw peer.problems.length > 0 ? new Error(`${error.message}; ${peer.problems[0]}`) : error;
  } finally {
    clearTimeout(timer);
  }
}
