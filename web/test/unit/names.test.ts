import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { shortenNames } from '../../names.mjs';
import { joinSegments } from '../../segments.mjs';
import { buildGo, runGo, traced } from './goprogram.js';

const built = 'web/test-output/named.wasm';
const shortened = 'web/test-output/named-short.wasm';

describe('shortenNames', () => {
  let lines = '';
  before(() => {
    buildGo(traced, built);
    const keep = (memory: Buffer) => {
      lines = shortenNames(memory);
    };
    writeFileSync(shortened, joinSegments(readFileSync(built), keep));
  });

  test('the program runs as before, and a trace reads as before once its names are looked up', () => {
    const long = new Map(lines.split('\n').map((line) => line.split(/ (.*)/s, 2) as [string, string]));
    const [whole, short] = [runGo(built), runGo(shortened)];
    const plain = (trace: string) =>
      trace.replaceAll(/0x[0-9a-f]+/g, '').replaceAll(/\[goroutine \d+\]|goroutine \d+/g, '');
    assert.match(whole.stderr, /panic: the end.*main\.fall/s);
    assert.equal(short.stdout, whole.stdout);
    assert.equal(short.status, whole.status);
    assert.doesNotMatch(short.stderr, /main\.fall/);
    const looked = short.stderr.replaceAll(/(?<=^|by )\.[0-9a-z]+(?=\()/gm, (name) => long.get(name) ?? name);
    assert.equal(plain(looked), plain(whole.stderr));
  });

  test('each short name stands for one long one; those of the runtime stay', () => {
    const pairs = lines.trimEnd().split('\n');
    assert.ok(pairs.length > 500);
    const short = pairs.map((line) => line.slice(0, line.indexOf(' ')));
    assert.equal(new Set(short).size, pairs.length);
    assert.ok(pairs.every((line) => !line.slice(line.indexOf(' ') + 1).startsWith('runtime.')));
  });
});
