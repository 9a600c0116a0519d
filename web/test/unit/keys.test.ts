import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { PublicKey } from '../../src/keys.js';

const hex = `0a${'ff'.repeat(30)}01`;

describe('PublicKey', () => {
  test('from bytes, digits and a key', () => {
    const key = PublicKey.from(hex.toUpperCase());
    assert.equal(key.toHex(), hex);
    assert.equal(PublicKey.from(key.asUint8Array()).toString(), hex);
    assert.equal(PublicKey.from(key), key);
  });

  test('refuses anything else', () => {
    for (const source of ['', 'ff', `${hex}00`, 'z'.repeat(64)]) {
      assert.throws(() => PublicKey.from(source), TypeError);
    }
    assert.throws(() => PublicKey.from(new Uint8Array(31)), TypeError);
  });

  test('is equal to the same key in each form', () => {
    const key = PublicKey.from(hex);
    assert.ok(key.equals(PublicKey.from(hex)));
    assert.ok(key.equals(hex));
    assert.ok(key.equals(key.asUint8Array()));
    assert.ok(!key.equals(PublicKey.from('00'.repeat(32))));
    assert.ok(!key.equals('nonsense'));
  });

  test('cannot be changed through its bytes', () => {
    const bytes = new Uint8Array(32).fill(1);
    const key = PublicKey.from(bytes);
    bytes[0] = 9;
    key.asUint8Array()[0] = 9;
    assert.equal(key.toHex(), '01'.repeat(32));
  });

  test('is digits in JSON and strings, and short in logs', () => {
    const key = PublicKey.from(hex);
    assert.equal(JSON.stringify({ key }), `{"key":"${hex}"}`);
    assert.equal(`${key}`, hex);
    assert.equal(inspect(key), 'PublicKey(0affffff…)');
  });
});
