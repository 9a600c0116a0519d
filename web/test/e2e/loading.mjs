// How the package gets into pages: strict policies, frames without storage, and
// what bundlers make of it.

import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { after } from 'node:test';
import { build as esbuild } from 'esbuild';
import { build as viteBuild, createServer as viteServer } from 'vite';
import { limit, root, world } from './harness.mjs';

const { test, start } = world();

/** What `initialize()` comes to on a page that is served with these headers. */
async function initializeUnder(headers) {
  const { browser, server } = await start();
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.route('**/policy.html', (route) =>
      route.fulfill({ headers, contentType: 'text/html', body: '<!doctype html>' }),
    );
    // A sandboxed page has no origin: it may load scripts only from where all may.
    await page.route('**/web/dist/**', async (route) => {
      const response = await route.fetch();
      await route.fulfill({
        response,
        headers: { ...response.headers(), 'access-control-allow-origin': '*' },
      });
    });
    await page.goto(`${server.url}policy.html`);
    return await page.evaluate(async (url) => {
      const es = await import(url);
      const client = new es.Client();
      try {
        await client.initialize();
        return { state: client.status.get().state };
      } catch ({ code, message }) {
        return { state: client.status.get().state, code, message };
      }
    }, `${server.url}web/dist/index.js`);
  } finally {
    await context.close();
  }
}

const policy = (scripts) => ({ 'content-security-policy': `default-src 'self'; script-src ${scripts}` });

test("C08 a policy without 'wasm-unsafe-eval' is WASM_UNAVAILABLE and names it", async () => {
  const { state, code, message } = await initializeUnder(policy("'self'"));
  assert.equal(code, 'WASM_UNAVAILABLE', message);
  assert.match(message, /Content-Security-Policy.*'wasm-unsafe-eval'/);
  assert.equal(state, 'closed');
});

test("C08 a strict policy with 'wasm-unsafe-eval' is enough", async () => {
  const { state, message } = await initializeUnder(policy("'self' 'wasm-unsafe-eval'"));
  assert.equal(state, 'open', message);
});

test('C08 a sandboxed page, which has no storage, is STORAGE_UNAVAILABLE', async () => {
  const { state, code, message } = await initializeUnder({
    'content-security-policy': 'sandbox allow-scripts',
  });
  assert.equal(code, 'STORAGE_UNAVAILABLE', message);
  assert.equal(state, 'closed');
});

// The package as npm installs it, in a project of its own.

const app = `import { Client, InvitationEncoder } from '@echospace/client';
const client = new Client();
const code = InvitationEncoder.decode('040000820C20A1G7104GM2RC1M70Y40H289H858P2WC1J6GV3GEHW7X77A9YC');
Promise.all([client.initialize(), InvitationEncoder.toSvg(code)]).then(
  ([, svg]) => { document.title = svg.startsWith('<svg') ? client.status.get().state : svg; },
  (e) => { document.title = e.message; },
);
`;
const html = (script) =>
  `<!doctype html><title>loading</title><link rel="icon" href="data:,"><script type="module" src="${script}"></script>\n`;

const projects = [];
after(() => Promise.all(projects.map((dir) => rm(dir, { recursive: true, force: true }))));

async function project() {
  const dir = await mkdtemp(join(tmpdir(), 'echospace-app-'));
  projects.push(dir);
  const installed = join(dir, 'node_modules/@echospace/client');
  await mkdir(installed, { recursive: true });
  await cp(join(root, 'package.json'), join(installed, 'package.json'));
  for (const name of ['index.js', 'qr.js', 'wordlist.js', 'echospace.wasm'])
    await cp(join(root, 'web/dist', name), join(installed, 'web/dist', name));
  await writeFile(join(dir, 'package.json'), '{ "name": "app", "private": true, "type": "module" }\n');
  await writeFile(join(dir, 'app.js'), app);
  await writeFile(join(dir, 'index.html'), html('/app.js'));
  return dir;
}

const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** Serves a folder as any server of files does. Gives its address, and how to end it. */
async function serve(dir) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const file = join(dir, normalize(pathname === '/' ? '/index.html' : pathname));
    try {
      const content = await readFile(file);
      response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return [`http://127.0.0.1:${server.address().port}/`, close];
}

/** Opens a page that shows by its title what `initialize()` came to. */
async function opens(url) {
  const { browser } = await start();
  const page = await browser.newPage();
  try {
    await page.goto(url);
    await page.waitForFunction(() => document.title !== 'loading', undefined, { timeout: limit });
    assert.equal(await page.title(), 'open');
  } finally {
    await page.close();
  }
}

async function servedFrom(dir) {
  const [url, close] = await serve(dir);
  try {
    await opens(url);
  } finally {
    close();
  }
}

test('C08 a bundle of esbuild with the module beside it initializes', async () => {
  const dir = await project();
  const out = join(dir, 'out');
  const result = await esbuild({
    absWorkingDir: dir,
    entryPoints: ['app.js'],
    bundle: true,
    minify: true,
    format: 'esm',
    outfile: 'out/app.js',
    logLevel: 'silent',
  });
  assert.deepEqual(result.warnings, []);
  await cp(join(dir, 'node_modules/@echospace/client/web/dist/echospace.wasm'), join(out, 'echospace.wasm'));
  await writeFile(join(out, 'index.html'), html('app.js'));
  await servedFrom(out);
});

test('C08 a build of Vite initializes without configuration', async () => {
  const dir = await project();
  await viteBuild({ root: dir, logLevel: 'error' });
  await servedFrom(join(dir, 'dist'));
});

test('C08 the development server of Vite initializes without configuration', async () => {
  const dir = await project();
  const server = await viteServer({ root: dir, logLevel: 'error', server: { host: '127.0.0.1', port: 0 } });
  try {
    await server.listen();
    await opens(server.resolvedUrls.local[0]);
  } finally {
    await server.close();
  }
});
