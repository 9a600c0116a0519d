import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { checkPlatform, fetchModule } from '../../src/loader.js';

const emptyModule = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

const pages: Record<string, { status?: number; type: string; body: Buffer }> = {
  '/good.wasm': { type: 'application/wasm', body: emptyModule },
  '/typeless.wasm': { type: 'application/octet-stream', body: emptyModule },
  '/page.wasm': { type: 'text/html', body: Buffer.from('<!doctype html>') },
  '/cut.wasm': { type: 'application/wasm', body: emptyModule.subarray(0, 6) },
  '/damaged.wasm': { type: 'text/plain', body: Buffer.concat([emptyModule, Buffer.from('junk')]) },
  '/broken.wasm': { status: 500, type: 'text/plain', body: Buffer.from('no') },
};

describe('C08 loading the module', () => {
  let server: Server;
  let origin = '';
  before(async () => {
    server = createServer((request, response) => {
      const page = pages[request.url ?? ''] ?? { status: 404, type: 'text/plain', body: Buffer.from('none') };
      response.writeHead(page.status ?? 200, { 'content-type': page.type }).end(page.body);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  for (const name of ['good', 'typeless']) {
    test(`${name}: is compiled`, async () => {
      assert.ok((await fetchModule(`${origin}/${name}.wasm`)) instanceof WebAssembly.Module);
    });
  }

  const refusals = {
    missing: /HTTP 404; copy echospace\.wasm/,
    broken: /HTTP 500/,
    page: /not a WebAssembly module but text\/html/,
    cut: /damaged or incomplete/,
    damaged: /damaged or incomplete/,
  };
  for (const [name, message] of Object.entries(refusals)) {
    test(`${name}: is WASM_UNAVAILABLE and says why`, async () => {
      await assert.rejects(fetchModule(`${origin}/${name}.wasm`), { code: 'WASM_UNAVAILABLE', message });
    });
  }

  test('no server: is WASM_UNAVAILABLE', async () => {
    await assert.rejects(fetchModule('http://127.0.0.1:1/echospace.wasm'), {
      code: 'WASM_UNAVAILABLE',
      message: /cannot be fetched/,
    });
  });
});

describe('C08 the platform', () => {
  /** Runs `f` while a global has another value. */
  function withGlobal(name: string, value: unknown, f: () => void): void {
    const old = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    try {
      f();
    } finally {
      if (old) Object.defineProperty(globalThis, name, old);
      else Reflect.deleteProperty(globalThis, name);
    }
  }

  test('is good here', () => checkPlatform());
  test('an insecure page is INSECURE_CONTEXT', () => {
    withGlobal('isSecureContext', false, () => assert.throws(checkPlatform, { code: 'INSECURE_CONTEXT' }));
  });
  for (const name of ['WebAssembly', 'crypto', 'TextEncoder']) {
    test(`without ${name} the browser is UNSUPPORTED_BROWSER`, () => {
      withGlobal(name, undefined, () =>
        assert.throws(checkPlatform, { code: 'UNSUPPORTED_BROWSER', message: new RegExp(name) }),
      );
    });
  }
});
