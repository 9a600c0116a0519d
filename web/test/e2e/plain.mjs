// A page with nothing but wasm_exec.js and the module: web/test/plain.html.

import assert from 'node:assert/strict';
import { Peer, world } from './harness.mjs';

const { test, start } = world();

/** Opens the page and waits until its two clients share a space. */
async function openPlain(context, url) {
  const page = await context.newPage();
  const peer = new Peer('the plain page', page);
  await page.goto(url);
  await page.locator('main').waitFor({ timeout: 60_000 });
  return { page, peer };
}

/** What a side shows, once it shows that many. */
async function notes(page, side, count) {
  await page.waitForFunction(([s, n]) => document.querySelectorAll(`#${s} li`).length === n, [side, count]);
  const texts = await page.locator(`#${side} li`).allTextContents();
  return texts.map((text) => text.replace(/ Remove$/, '')).sort();
}

async function add(page, side, text) {
  await page.locator(`#${side} input`).fill(text);
  await page.locator(`#${side} button`).last().click();
}

test('C07 two clients of one page share a space without the package', async () => {
  const { browser, server } = await start();
  const context = await browser.newContext();
  try {
    const url = `${server.url}web/test/plain.html`;
    const first = await openPlain(context, url);
    await add(first.page, 'ada', 'from Ada');
    assert.deepEqual(await notes(first.page, 'bob', 1), ['from Ada']);
    await add(first.page, 'bob', 'from Bob');
    assert.deepEqual(await notes(first.page, 'ada', 2), ['from Ada', 'from Bob']);
    await first.page.locator('#bob li', { hasText: 'from Ada' }).getByRole('button').click();
    assert.deepEqual(await notes(first.page, 'ada', 1), ['from Bob']);
    assert.deepEqual(first.peer.problems, []);
    await first.page.close();

    const second = await openPlain(context, url);
    assert.deepEqual(await notes(second.page, 'ada', 1), ['from Bob']);
    assert.deepEqual(await notes(second.page, 'bob', 1), ['from Bob']);
    assert.deepEqual(second.peer.problems, []);
  } finally {
    await context.close();
  }
});
