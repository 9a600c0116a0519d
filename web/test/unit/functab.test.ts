import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { foldTables } from '../../functab.mjs';
import { joinSegments } from '../../segments.mjs';
import { buildGo, runGo, traced } from './goprogram.js';

const built = 'web/test-output/folded.wasm';
const folded = 'web/test-output/folded-tables.wasm';

/** The memory of a module right after its instantiation. */
function memoryOf(file: string): Buffer {
  const module = new WebAssembly.Module(readFileSync(file));
  const imports: WebAssembly.Imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = () => 0;
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  return Buffer.from((exports.mem as WebAssembly.Memory).buffer);
}

describe('foldTables', () => {
  before(() => {
    buildGo(traced, built);
    writeFileSync(folded, joinSegments(readFileSync(built), foldTables));
  });

  test('memory is byte for byte the same after instantiation', () => {
    assert.ok(memoryOf(folded).equals(memoryOf(built)));
  });

  test('the module is smaller by what its index of functions takes', () => {
    const whole = joinSegments(readFileSync(built)).length;
    assert.ok(readFileSync(folded).length < whole - 300_000, `${whole} bytes without`);
  });

  test('the program runs as before: stacks grow, the collector walks them, traces name functions', () => {
    const [whole, small] = [runGo(built), runGo(folded)];
    assert.match(whole.stdout, /^sum \d+, recovered deep down, collected true/);
    assert.equal(small.stdout, whole.stdout);
    assert.equal(small.stderr.replaceAll(/0x[0-9a-f]+/g, ''), whole.stderr.replaceAll(/0x[0-9a-f]+/g, ''));
    assert.equal(small.status, whole.status);
  });

  test('tables of another layout are refused', () => {
    const module = readFileSync(built);
    const spoil = (change: (memory: Buffer, table: number) => void) => () =>
      joinSegments(module, (memory: Buffer) => {
        change(memory, memory.indexOf(Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8])));
        foldTables(memory);
      });
    assert.throws(
      spoil((memory, table) => {
        const functions = table + Number(memory.readBigUInt64LE(table + 64));
        memory.writeUInt32LE(7, functions + 80);
      }),
      /the entry of function 10/,
    );
    assert.throws(
      spoil((memory, table) => memory.writeUInt32LE(0, table)),
      /0 tables of functions/,
    );
  });
});
