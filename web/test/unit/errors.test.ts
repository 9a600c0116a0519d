import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EchospaceError, errorKinds, errorOfKind, toEchospaceError } from '../../src/errors.js';
import { PublicKey } from '../../src/keys.js';

test('the codes are those of core/errs, with their numbers', () => {
  const source = readFileSync('core/errs/kind.go', 'utf8');
  const numbers = new Map([...source.matchAll(/^\t(\w+)\s+Kind = (\d+)/gm)].map((m) => [m[1], Number(m[2])]));
  const words = [...source.matchAll(/^\t(\w+):\s+"([A-Z_]+)",$/gm)];
  const mirrored = Object.fromEntries(words.map((m) => [m[2], numbers.get(m[1] ?? '')]));
  assert.ok(words.length > 40, `${words.length} codes in core/errs/kind.go`);
  assert.deepEqual({ ...errorKinds }, mirrored);
});

test('an error of the core keeps its code, message and details', () => {
  const key = new Uint8Array(32).fill(7);
  const raw = Object.assign(new Error('is in it'), {
    code: 'ALREADY_MEMBER',
    spaceKey: key,
    attemptsLeft: 2,
  });
  const error = toEchospaceError(raw);
  assert.ok(error instanceof EchospaceError && error instanceof Error);
  assert.equal(error.code, 'ALREADY_MEMBER');
  assert.equal(error.message, 'is in it');
  assert.equal(error.attemptsLeft, 2);
  assert.ok(error.spaceKey?.equals(PublicKey.from(key)));
  assert.equal(error.cause, raw);
  assert.equal(toEchospaceError(error), error);
});

test('whatever else was thrown is INTERNAL and kept as the cause', () => {
  const thrown = new TypeError('no');
  assert.equal(toEchospaceError(thrown).code, 'INTERNAL');
  assert.equal(toEchospaceError(thrown).cause, thrown);
  assert.equal(toEchospaceError('text').message, 'text');
  assert.equal(toEchospaceError(Object.assign(new Error('no'), { code: 'ENOENT' })).code, 'INTERNAL');
});

test('a number of the hot path becomes its code', () => {
  assert.equal(errorOfKind(33, 'closed').code, 'SPACE_CLOSED');
  assert.equal(errorOfKind(9999, 'new').code, 'INTERNAL');
});
