import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { stripLines } from '../../lines.mjs';
import { joinSegments } from '../../segments.mjs';
import { buildGo, runGo, traced } from './goprogram.js';

const built = 'web/test-output/traced.wasm';
const stripped = 'web/test-output/traced-stripped.wasm';

describe('stripLines', () => {
  before(() => {
    buildGo(traced, built);
    writeFileSync(stripped, joinSegments(readFileSync(built), stripLines));
  });

  test('the program runs as before: stacks grow, the collector walks them, panics are recovered', () => {
    const [whole, bare] = [runGo(built), runGo(stripped)];
    assert.match(whole.stdout, /^sum \d+, recovered deep down, collected true/);
    assert.equal(bare.stdout, whole.stdout);
  });

  test('a trace names the functions, without lines', () => {
    const [whole, bare] = [runGo(built), runGo(stripped)];
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
