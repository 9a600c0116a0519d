import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { openRuntime, type Runtime } from '../../src/runtime.js';

const built = 'web/test-output/mortal.wasm';

type Mortal = Record<'exit' | 'panic' | 'panicLater' | 'fail', () => unknown>;

describe('Runtime', () => {
  let server: Server;
  let url = '';
  before(async () => {
    mkdirSync('web/test-output', { recursive: true });
    const env = { ...process.env, GOOS: 'js', GOARCH: 'wasm' };
    execFileSync('go', ['build', '-o', built, './web/test/unit/testdata/mortal'], { env });
    server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/wasm' }).end(readFileSync(built));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const methods = (runtime: Runtime) => runtime.api as unknown as Mortal;
  const forever = () => new Promise<never>(() => undefined);

  test('C07 one module runs per address, another per other address', async () => {
    const [a, b, c] = await Promise.all([openRuntime(url), openRuntime(url), openRuntime(`${url}other`)]);
    assert.equal(a, b);
    assert.notEqual(a, c);
    assert.equal(a.api.version, 'mortal');
  });

  test('an Error that a call gives is thrown', async () => {
    const runtime = await openRuntime(url);
    assert.throws(() => runtime.call(() => methods(runtime).fail()), {
      code: 'NO_IDENTITY',
      message: 'no identity yet',
    });
    assert.equal(runtime.crashed, false);
  });

  for (const how of ['exit', 'panic', 'panicLater'] as const) {
    test(`C10 ${how}: all that is pending is rejected, and later calls too`, async () => {
      const runtime = await openRuntime(url + how);
      const pending = [runtime.guard(forever()), runtime.guard(forever())];
      const told: string[] = [];
      runtime.onCrash((error) => told.push(error.code));
      try {
        runtime.call(() => methods(runtime)[how]());
      } catch {
        // Whether the call itself throws depends on how the module died.
      }
      for (const promise of pending) await assert.rejects(promise, { code: 'CRASHED' });
      assert.deepEqual(told, ['CRASHED']);
      assert.ok(runtime.crashed);
      assert.throws(() => runtime.call(() => methods(runtime).fail()), { code: 'CRASHED' });
      await assert.rejects(runtime.guard(Promise.resolve(1)), { code: 'CRASHED' });
      assert.throws(() => runtime.changes(1, 1), { code: 'CRASHED' });
      runtime.onCrash((error) => told.push(error.code));
      assert.equal(told.length, 2);
      assert.notEqual(await openRuntime(url + how), runtime);
    });
  }
});
