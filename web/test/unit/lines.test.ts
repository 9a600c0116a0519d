import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { stripLines } from '../../lines.mjs';
import { joinSegments } from '../../segments.mjs';

const built = 'web/test-output/traced.wasm';
const stripped = 'web/test-output/traced-stripped.wasm';

/** Runs a Go program in Node, as Go's own launcher does. */
function run(file: string): { stdout: string; stderr: string; status: number | null } {
  const goroot = execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim();
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
  return spawnSync(process.execPath, [`${goroot}/lib/wasm/wasm_exec_node.js`, file], {
    encoding: 'utf8',
    env,
  });
}

describe('stripLines', () => {
  before(() => {
    mkdirSync('web/test-output', { recursive: true });
    const env = { ...process.env, GOOS: 'js', GOARCH: 'wasm' };
    execFileSync('go', ['build', '-o', built, './web/test/unit/testdata/traced'], { env });
    writeFileSync(stripped, joinSegments(readFileSync(built), stripLines));
  });

  test('the program runs as before: stacks grow, the collector walks them, panics are recovered', () => {
    const [whole, bare] = [run(built), run(stripped)];
    assert.match(whole.stdout, /^sum \d+, recovered deep down, collected true/);
    assert.equal(bare.stdout, whole.stdout);
  });

  test('a trace names the functions, without lines', () => {
    const [whole, bare] = [run(built), run(stripped)];
    assert.match(whole.stderr, /panic: the end.*main\.fall.*main\.go:\d+/s);
    assert.match(bare.stderr, /panic: the end.*main\.fall/s);
    assert.doesNotMatch(bare.stderr, /\.go:\d/);
    assert.equal(bare.status, whole.status);
  });

  test('what is no table of functions is refused', () => {
    assert.throws(() => stripLines(Buffer.alloc(1024)), /0 tables of functions/);
  });

  test('a table of another layout is refused', () => {
    const module = readFileSync(built);
    assert.throws(
      () =>
        joinSegments(module, (memory: Buffer) => {
          const at = memory.indexOf(Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]));
          memory.writeUInt32LE(0xf0, at);
          stripLines(memory);
        }),
      /0 tables of functions/,
    );
  });
});
