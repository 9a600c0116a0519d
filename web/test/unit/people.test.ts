import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readContacts, readMembers } from '../../src/people.js';
import { Writer } from '../../src/wire.js';

const key = (n: number) => new Uint8Array(32).fill(n);

test('members are read with what is said of them, and no more', () => {
  const w = new Writer();
  w.array(2);
  w.array(7);
  w.bin(key(1));
  w.str('Zoë');
  w.str('OWNER');
  w.bool(true);
  w.bool(true);
  w.bool(true);
  w.array(2);
  for (const faulty of [false, true]) {
    w.array(2);
    w.bin(key(faulty ? 3 : 2));
    w.bool(faulty);
  }
  w.array(7);
  w.bin(key(4));
  w.str('');
  w.str('READER');
  w.bool(false);
  w.bool(false);
  w.bool(false);
  w.array(0);
  const { list, mayWrite } = readMembers(w.bytes);
  assert.equal(mayWrite, true);
  assert.deepEqual(JSON.parse(JSON.stringify(list)), [
    {
      identityKey: '01'.repeat(32),
      displayName: 'Zoë',
      role: 'OWNER',
      presence: 'ONLINE',
      self: true,
      devices: [{ deviceKey: '02'.repeat(32) }, { deviceKey: '03'.repeat(32), faulty: true }],
    },
    { identityKey: '04'.repeat(32), role: 'READER', presence: 'OFFLINE', self: false, devices: [] },
  ]);
});

test('who is no member yet may write until the core tells', () => {
  const w = new Writer();
  w.array(0);
  assert.deepEqual(readMembers(w.bytes), { list: [], mayWrite: true });
});

test('contacts are read', () => {
  const w = new Writer();
  w.array(1);
  w.array(3);
  w.bin(key(5));
  w.str('Cyd');
  w.bool(false);
  assert.deepEqual(JSON.parse(JSON.stringify(readContacts(w.bytes))), [
    { identityKey: '05'.repeat(32), displayName: 'Cyd', presence: 'OFFLINE' },
  ]);
});
