import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../src/keys.js';
import { Reader, Writer } from '../../src/wire.js';

/** `testdata/wire.txt` was written by core/wire: type, value and encoding on each line. */
function vectors(): { type: string; value: string; hex: string }[] {
  const text = readFileSync('web/test/unit/testdata/wire.txt', 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [type = '', value = '', hex = ''] = line.split(' ');
      return { type, value, hex };
    });
}

function written(write: (w: Writer) => void): string {
  const w = new Writer();
  write(w);
  return toHex(w.bytes);
}

function reader(hex: string): Reader {
  return new Reader(fromHex(hex) ?? new Uint8Array());
}

const run = (length: string) => 'x'.repeat(Number(length));

describe('wire, against the encoding of the core', () => {
  const all = vectors();
  test('there are vectors', () => assert.ok(all.length > 40, `${all.length}`));

  for (const { type, value, hex } of all) {
    test(`${type} ${value}`, () => {
      const r = reader(hex);
      switch (type) {
        case 'int': {
          const number = Number(value);
          if (Number.isSafeInteger(number))
            assert.equal(
              written((w) => w.number(number)),
              hex,
            );
          assert.equal(r.integer().toString(), value);
          break;
        }
        case 'float':
          assert.equal(
            written((w) => w.number(Number(value))),
            hex,
          );
          assert.ok(Object.is(r.float(), Number(value)));
          break;
        case 'str':
          assert.equal(
            written((w) => w.str(run(value))),
            hex,
          );
          assert.equal(r.str(), run(value));
          break;
        case 'bin':
          assert.equal(
            written((w) => w.bin(Buffer.from(run(value)))),
            hex,
          );
          assert.deepEqual(Buffer.from(r.bin()).toString(), run(value));
          break;
        case 'array':
          assert.equal(
            written((w) => w.array(Number(value))),
            hex,
          );
          assert.equal(r.array(), Number(value));
          break;
        default:
          assert.equal(
            written((w) => w.str(value)),
            hex,
          );
          assert.equal(r.str(), value);
      }
      assert.ok(r.done);
    });
  }
});

describe('wire', () => {
  test('strings of every length and script are their UTF-8 behind the shortest header', () => {
    const w = new Writer();
    const encoder = new TextEncoder();
    for (const unit of ['x', 'é', '中', '🙂']) {
      for (const count of [
        0, 1, 9, 15, 16, 31, 32, 85, 127, 128, 255, 256, 257, 300, 21845, 65535, 65536, 65537,
      ]) {
        for (const text of [unit.repeat(count), `${'x'.repeat(count)}${unit}`]) {
          w.truncate(0);
          w.bool(true);
          w.str(text);
          w.bool(true);
          const size = encoder.encode(text).length;
          const header = size < 32 ? 1 : size < 256 ? 2 : size < 65536 ? 3 : 5;
          assert.equal(w.length, 2 + header + size, `${count} times ${unit}`);
          const r = new Reader(w.bytes);
          assert.equal(r.bool(), true);
          assert.equal(r.str(), text);
          assert.equal(r.bool(), true);
        }
      }
    }
  });

  test('skip passes over one value of each type', () => {
    const w = new Writer();
    const writes: (() => void)[] = [
      () => w.nil(),
      () => w.bool(true),
      () => w.number(70000),
      () => w.number(-70000),
      () => w.float(0.5),
      () => w.bin(new Uint8Array(300)),
      () => w.str('é'.repeat(40)),
      () => {
        w.array(2);
        w.array(1);
        w.nil();
        w.str('inner');
      },
    ];
    for (const write of writes) {
      write();
      w.uint(7);
    }
    const r = new Reader(w.bytes);
    for (const _ of writes) {
      r.skip();
      assert.equal(r.int(), 7);
    }
    assert.ok(r.done);
  });

  test('texts and names of every length, again and again', () => {
    const texts = ['', '__proto__', 'é', 'x\u0000', 'seven\u{1f600}'];
    for (let length = 1; length < 70; length++) {
      for (const letter of ['a', 'z', '\u007f'])
        texts.push(letter.repeat(length), `${letter.repeat(length - 1)}é`);
    }
    for (let i = 0; i < 2000; i++) texts.push(`key ${i * 7919}`); // more than are remembered
    const w = new Writer();
    for (const text of texts) w.str(text);
    for (const how of ['name', 'str', 'name'] as const) {
      const r = new Reader(w.bytes);
      for (const text of texts) assert.equal(r[how](), text);
      assert.ok(r.done);
    }
    assert.throws(() => reader('a361').name(), RangeError);
    assert.throws(() => reader('a1ff').name(), TypeError);
  });

  test('truncate forgets what came after', () => {
    const w = new Writer();
    w.str('kept');
    const { length } = w;
    w.str('x'.repeat(5000));
    w.truncate(length);
    w.bool(false);
    assert.equal(toHex(w.bytes), 'a46b657074c2');
  });

  test('a reader refuses another type, cut input and what is no value', () => {
    assert.throws(() => reader('a161').int(), RangeError);
    assert.throws(() => reader('c405ff').bin(), RangeError);
    assert.throws(() => reader('cd01').int(), RangeError);
    assert.throws(() => reader('80').skip(), RangeError);
    assert.throws(() => reader('').skip(), RangeError);
    assert.throws(() => reader('a1ff').str(), TypeError);
  });
});
