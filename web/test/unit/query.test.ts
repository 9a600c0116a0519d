import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Expando } from '../../src/db/expando.js';
import { writeQuery } from '../../src/db/filter.js';
import { idOf } from '../../src/db/live.js';
import { Rows } from '../../src/db/rows.js';
import { toHex } from '../../src/keys.js';
import { Reader, Writer } from '../../src/wire.js';

/** Reads any encoding as nested arrays, bytes as digits. */
function read(r: Reader): unknown {
  switch (r.peek()) {
    case 'nil':
      r.skipNil();
      return null;
    case 'bool':
      return r.bool();
    case 'int':
      return r.integer();
    case 'float':
      return r.float();
    case 'str':
      return r.str();
    case 'bin':
      return toHex(r.bin());
    default:
      return Array.from({ length: r.array() }, () => read(r));
  }
}

function encoded(conditions: object | undefined, deleted: 'hide' | 'show' | 'only' = 'hide'): unknown {
  const w = new Writer();
  writeQuery(w, conditions, deleted);
  return read(new Reader(w.bytes));
}

describe('O05 the encoding of filters', () => {
  const owner = new Expando({});
  const everything = [2];
  const nothing = [3];
  const cases: Record<string, [object | undefined, unknown]> = {
    'no filter': [undefined, null],
    'no conditions': [{}, everything],
    equality: [{ a: 'x' }, [1, ['a'], 0, 'x']],
    null: [{ a: null }, [1, ['a'], 0, null]],
    'two conditions': [{ a: 1, b: true }, [2, [1, ['a'], 0, 1], [1, ['b'], 0, true]]],
    nested: [{ a: { b: { c: 1 } } }, [1, ['a', 'b', 'c'], 0, 1]],
    operators: [{ a: { $gt: 5, $lte: 7.5 } }, [2, [1, ['a'], 4, 5], [1, ['a'], 3, 7.5]]],
    'not equal': [{ a: { $ne: 'x' } }, [1, ['a'], 1, 'x']],
    'one of': [{ a: { $in: [1, 2] } }, [3, [1, ['a'], 0, 1], [1, ['a'], 0, 2]]],
    'one of one': [{ a: { $in: [1] } }, [1, ['a'], 0, 1]],
    'one of none': [{ a: { $in: [] } }, nothing],
    not: [{ $not: { a: 1 } }, [4, [1, ['a'], 0, 1]]],
    'not of operators': [{ a: { $not: { $lt: 3 } } }, [4, [1, ['a'], 2, 3]]],
    or: [{ $or: [{ a: 1 }, { b: 2 }] }, [3, [1, ['a'], 0, 1], [1, ['b'], 0, 2]]],
    and: [{ $and: [{ a: 1 }, {}] }, [2, [1, ['a'], 0, 1], everything]],
    'a date': [{ a: new Date(1000) }, [1, ['a'], 0, [2, 1000]]],
    bytes: [{ a: Uint8Array.of(1, 2) }, [1, ['a'], 0, [1, '0102']]],
    'a big integer': [{ a: 2n ** 70n }, [1, ['a'], 0, [5, '1180591620717411303424']]],
    'a reference': [{ a: owner }, [1, ['a'], 0, [3, idOf(owner)]]],
    'referring to': [{ $references: owner }, [5, [], idOf(owner)]],
    'referring to in a property': [{ a: { b: { $references: owner } } }, [5, ['a', 'b'], idOf(owner)]],
    'a search of a property': [{ a: { $search: 'quick fox' } }, [6, [['a']], 'quick fox']],
    'a search of several': [
      { $search: { words: 'quick', in: ['a', ['b', 'c']] } },
      [6, [['a'], ['b', 'c']], 'quick'],
    ],
  };
  for (const [name, [conditions, expected]] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(encoded(conditions), [expected, 0]));
  }

  test('removed objects', () => {
    assert.deepEqual(encoded(undefined, 'show'), [null, 1]);
    assert.deepEqual(encoded(undefined, 'only'), [null, 2]);
  });

  const refused: Record<string, [object, string]> = {
    'an unknown operator': [{ a: { $near: 1 } }, 'INVALID_ARGUMENT'],
    'operators beside properties': [{ a: { $gt: 1, b: 2 } }, 'INVALID_ARGUMENT'],
    'an $in of no array': [{ a: { $in: 3 } }, 'INVALID_ARGUMENT'],
    'a search of no string': [{ a: { $search: 7 } }, 'INVALID_ARGUMENT'],
    'a search in no property': [{ $search: { words: 'a', in: [] } }, 'INVALID_ARGUMENT'],
    'a reference to no object': [{ $references: 'abc' }, 'INVALID_ARGUMENT'],
    'an $or of no array': [{ $or: { a: 1 } }, 'INVALID_ARGUMENT'],
    undefined: [{ a: undefined }, 'UNSUPPORTED_VALUE'],
    'an array': [{ a: [1] }, 'UNSUPPORTED_VALUE'],
  };
  for (const [name, [conditions, code]] of Object.entries(refused)) {
    test(`refuses ${name}`, () => assert.throws(() => encoded(conditions), { code }));
  }
});

describe('O06 a list after a change', () => {
  type Places = [number, string][];
  const cases: Record<string, [string, Places, Places, string]> = {
    'nothing changes': ['abc', [], [], 'abc'],
    'taken out, one after the other': ['abcd', places('1b2d'), [], 'ac'],
    'put first': ['abc', [], places('0x'), 'xabc'],
    'put last': ['abc', [], places('3x'), 'abcx'],
    'put between and side by side': ['abc', [], places('1x2y4z'), 'axybzc'],
    'out of one place, into another': ['abc', places('0a'), places('2a'), 'bca'],
    'into an empty list': ['', [], places('0x1y'), 'xy'],
    'all taken out': ['abc', places('2c0a0b'), [], ''],
  };
  function places(s: string): Places {
    return Array.from({ length: s.length / 2 }, (_, i) => [Number(s[2 * i]), s[2 * i + 1] as string]);
  }
  for (const [name, [list, removed, added, expected]] of Object.entries(cases)) {
    test(name, () => {
      const rows = Rows.of([...list]);
      assert.equal(rows.patched(removed, added).toArray().join(''), expected);
      assert.equal(rows.toArray().join(''), list);
    });
  }

  test('long lists agree with arrays, and none changes afterwards', () => {
    const seed = Date.now() % 2 ** 31;
    let state = seed;
    const random = (n: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % n;
    };
    let model = Array.from({ length: 5000 }, (_, i) => i);
    let rows = Rows.of(model);
    let next = model.length;
    for (let round = 0; round < 300; round++) {
      const before = model;
      const old = rows;
      model = model.slice();
      const removed = Array.from(
        { length: Math.min(random(round % 50 === 0 ? 2000 : 4), model.length) },
        () => {
          const at = random(model.length);
          return [at, ...model.splice(at, 1)] as [number, number];
        },
      );
      const gaps = Array.from({ length: random(round % 40 === 0 ? 3000 : 4) }, () =>
        random(model.length + 1),
      );
      const added = gaps.sort((a, b) => a - b).map((gap, i) => [gap + i, next++] as [number, number]);
      for (const [at, value] of added) model.splice(at, 0, value);
      rows = rows.patched(removed, added);
      assert.deepEqual(rows.toArray(), model, `seed ${seed}, round ${round}`);
      assert.equal(rows.length, model.length, `seed ${seed}`);
      assert.deepEqual(old.toArray(), before, `seed ${seed}`);
    }
  });
});
