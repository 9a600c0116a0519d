import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { foldFunctions, letters } from '../../functab.mjs';
import { type Program, readFunctions, type Span } from '../../golayout.mjs';
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

/** The C string at an offset of the names of functions. */
function nameAt(memory: Buffer, names: number, offset: number): string {
  return memory.toString('utf8', names + offset, memory.indexOf(0, names + offset));
}

describe('foldFunctions', () => {
  let lines: string[] = [];
  before(() => {
    buildGo(traced, built);
    const fold = (memory: Buffer) => {
      const { code, names } = foldFunctions(memory);
      lines = names.trimEnd().split('\n');
      return code;
    };
    writeFileSync(folded, joinSegments(readFileSync(built), fold));
  });

  test('the program runs as before: stacks grow, the collector walks them, panics are recovered', () => {
    const [whole, small] = [runGo(built), runGo(folded)];
    assert.match(whole.stdout, /^sum \d+, recovered deep down, collected true, nil receiver told true/);
    assert.equal(small.stdout, whole.stdout);
    assert.equal(small.status, whole.status);
  });

  test('after instantiation each function has the tables and the data that it had', () => {
    const [whole, small] = [memoryOf(built), memoryOf(folded)];
    const [was, is] = [readFunctions(whole), readFunctions(small)];
    assert.equal(is.functions.length, was.functions.length);
    const table = (memory: Buffer, of: Program, offset: number) =>
      offset === 0
        ? ''
        : memory.toString('hex', of.tables.from + offset, of.tables.from + of.tableEnd(offset));
    const data = (memory: Buffer, { at, size }: Span) => memory.toString('hex', at, at + size);
    const facts = (memory: Buffer, of: Program) =>
      of.functions.map((f) => ({
        ...{ args: f.args, deferreturn: f.deferreturn, kind: f.kind, datas: f.datas },
        ...{ stack: table(memory, of, f.pcsp), pointers: table(memory, of, f.stackMap) },
        needed: f.needed.map((span) => data(memory, span)),
      }));
    assert.deepEqual(facts(small, is), facts(whole, was));
    assert.ok(was.functions.some((f) => f.traced.length > 0));
    assert.ok(is.functions.every((f) => f.traced.length === 0));
  });

  test('memory that is none of these tables is byte for byte the same', () => {
    const [whole, small] = [memoryOf(built), memoryOf(folded)];
    const program = readFunctions(whole);
    const spans = program.functions.flatMap((f) =>
      f.traced.map(({ at, size }) => ({ from: at, to: at + size })),
    );
    for (const { from, to } of [program.names, program.files, program.tables, program.records, ...spans]) {
      whole.fill(0, from, to);
      small.fill(0, from, to);
    }
    for (const { at, size } of program.functions.flatMap((f) => f.needed)) {
      whole.fill(0, at, at + size);
      small.fill(0, at, at + size);
    }
    assert.ok(small.equals(whole));
  });

  test('a function has the name of its number; those of the runtime keep their prefix', () => {
    const [whole, small] = [memoryOf(built), memoryOf(folded)];
    const [was, is] = [readFunctions(whole), readFunctions(small)];
    for (const [i, f] of is.functions.entries()) {
      const long = nameAt(whole, was.names.from, was.functions[i]?.name ?? 0);
      const prefix = long.startsWith('runtime.') ? 'runtime.' : '.';
      const short = nameAt(small, is.names.from, f.name);
      assert.equal(short, long === '' ? '' : `${prefix}(*f).${letters(i)}`);
      assert.equal(lines[i], `${prefix}(*f).${letters(i)} ${long}`);
    }
    assert.equal(new Set(lines).size, is.functions.length);
  });

  test('a trace names the functions, without lines and arguments', () => {
    const [whole, small] = [runGo(built), runGo(folded)];
    assert.match(whole.stderr, /panic: the end.*main\.fall.*main\.go:\d+/s);
    const long = new Map(lines.map((line) => line.split(/ (.*)/s, 2) as [string, string]));
    const names = (trace: string) =>
      trace
        .split('\n')
        .filter((line) => /^\S+\(.*\)$/.test(line) && !line.includes('exit status'))
        .map((line) => line.replace(/\([^()]*\)$/, ''))
        .map((name) => long.get(name) ?? name);
    assert.deepEqual(names(small.stderr), names(whole.stderr));
    assert.ok(names(small.stderr).includes('main.fall'));
    assert.doesNotMatch(small.stderr, /\.go:\d/);
  });

  test('the module is smaller by what its tables take', () => {
    const whole = joinSegments(readFileSync(built)).length;
    assert.ok(readFileSync(folded).length < whole - 400_000, `${whole} bytes without`);
  });

  test('tables of another layout are refused', () => {
    const module = readFileSync(built);
    const spoil = (change: (memory: Buffer, table: number) => void) => () =>
      joinSegments(module, (memory: Buffer) => {
        change(memory, memory.indexOf(Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8])));
        foldFunctions(memory);
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
