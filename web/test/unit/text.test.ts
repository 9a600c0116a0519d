import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Expando, Text, type TextEvent } from '@echospace/client';
import { deltaOf, type Replacement, type TextOp } from '../../src/db/textdelta.js';
import { makeSpace, settled } from './support.js';

interface Note {
  title: string;
  body: Text;
  parts: { end: Text };
}

const note = () => ({ title: 'Note', body: new Text('Hello'), parts: { end: new Text() } });

describe('Text', () => {
  test('O07 edits in memory, in an Expando, and in a database', async () => {
    const alone = new Text('ac');
    alone.insert(1, 'b');
    alone.delete(0);
    alone.replace(1, 1, 'C!');
    alone.append('?');
    assert.equal(String(alone), 'bC!?');
    assert.equal(alone.length, 4);
    assert.equal(alone.slice(1, 3), 'C!');

    const expando = new Expando<Note>(note());
    expando.body.append(', world');
    const { client, space } = await makeSpace();
    space.db.add(expando);
    expando.body.insert(0, '😀 ');
    expando.parts.end.append('bye');
    expando.parts.end.append('!');
    assert.equal(expando.body.length, 15);
    assert.equal(JSON.stringify(expando), '{"title":"Note","body":"😀 Hello, world","parts":{"end":"bye!"}}');
    await space.db.flush();
    await space.close();
    assert.throws(() => expando.body.append('x'), { code: 'SPACE_CLOSED' });
    await space.open();
    const read = space.db.query<Note>({ title: 'Note' }).objects[0];
    assert.equal(read, expando);
    assert.equal(read?.body.toString(), '😀 Hello, world');
    assert.equal(read?.body.slice(3, 8), 'Hello');
    read?.body.delete(0, 3);
    assert.equal(expando.body.toString(), 'Hello, world');
    assert.equal(space.db.query<Note>({ body: 'Hello, world' }).objects.length, 1); // in a query it is a string
    assert.equal(space.db.query<Note>({ parts: { end: { $gt: 'bye' } } }).objects.length, 1);
    await client.destroy();
  });

  test('a text keeps what was given; given again it is copied', async () => {
    const { client, space } = await makeSpace();
    const text = new Text('one');
    const a = space.db.add<{ t: Text }>({ t: text });
    assert.equal(a.t, text);
    const b = space.db.add<{ t: Text }>({ t: text });
    b.t.append(' two');
    assert.deepEqual([a.t.toString(), b.t.toString()], ['one', 'one two']);
    a.t = new Text('new');
    assert.throws(() => text.append('!'), { code: 'NOT_FOUND' });
    assert.equal(a.t.toString(), 'new');
    const { t } = b;
    delete (b as { t?: Text }).t;
    assert.throws(() => t.append('!'), { code: 'NOT_FOUND' });
    await client.destroy();
  });

  test('O04 what does not fit is refused by name, and nothing is changed', async () => {
    const { client, space } = await makeSpace();
    const held = space.db.add<{ t: Text }>({ t: new Text('ab😀c') }).t;
    for (const text of [new Text('ab😀c'), held]) {
      const cases: [string, () => void, string][] = [
        ['behind the end', () => text.insert(6, 'x'), 'INVALID_ARGUMENT'],
        ['before the beginning', () => text.insert(-1, 'x'), 'INVALID_ARGUMENT'],
        ['no integer', () => text.insert(1.5, 'x'), 'INVALID_ARGUMENT'],
        ['no number', () => text.insert('1' as unknown as number, 'xy'), 'INVALID_ARGUMENT'],
        ['over the end', () => text.delete(4, 2), 'INVALID_ARGUMENT'],
        ['less than nothing', () => text.delete(4, -1), 'INVALID_ARGUMENT'],
        ['inside of a character', () => text.insert(3, 'x'), 'INVALID_ARGUMENT'],
        ['half of a character', () => text.delete(2), 'INVALID_ARGUMENT'],
        ['a lone surrogate', () => text.insert(0, '\ud83d'), 'UNSUPPORTED_VALUE'],
        ['a lone surrogate in a string', () => text.insert(0, 'x\ude00'), 'UNSUPPORTED_VALUE'],
        ['no string', () => text.insert(0, 5 as unknown as string), 'INVALID_ARGUMENT'],
        ['too long', () => text.insert(0, 'x'.repeat((16 << 20) + 1)), 'TOO_LARGE'],
      ];
      for (const [name, edit, code] of cases) {
        assert.throws(edit, { code }, name);
        if (text === held)
          assert.throws(() => space.db.transact(edit), { code }, `${name}, in a transaction`);
        assert.equal(text.toString(), 'ab😀c', name);
      }
    }
    assert.throws(() => new Text('\udc00'), { code: 'UNSUPPORTED_VALUE' });
    await client.destroy();
  });

  test('O11 a transaction is whole: its edits are seen inside, and taken back together', async () => {
    const { client, space } = await makeSpace();
    const object = space.db.add<Note>(note());
    const { body } = object;
    space.db.transact(() => {
      body.append('!');
      object.title = body.toString();
      body.delete(0, 1);
      assert.equal(body.toString(), 'ello!');
      assert.equal(body.length, 5);
    });
    assert.equal(object.title, 'Hello!');
    assert.equal(body.toString(), 'ello!');
    body.insert(0, 'H');
    const fails = () =>
      space.db.transact(() => {
        body.replace(0, 5, 'gone');
        object.parts.end.append('gone');
        throw new Error('no');
      });
    assert.throws(fails, /no/);
    assert.throws(fails, /no/);
    assert.equal(body.toString(), 'Hello!');
    assert.equal(object.parts.end.toString(), '');
    const made = space.db.transact(() => {
      const fresh = space.db.add<{ t: Text }>({ t: new Text('a') });
      fresh.t.append('b');
      return fresh;
    });
    assert.equal(made.t.toString(), 'ab');
    await client.destroy();
  });

  test('observers hear of every change once, in order, with what an editor needs', async () => {
    const { client, space } = await makeSpace();
    const object = space.db.add<{ t: Text }>({ t: new Text('abc') });
    const events: TextEvent[] = [];
    let mirror = object.t.toString();
    const stop = object.t.observe((event) => {
      events.push(event);
      mirror = applied(mirror, event.delta);
    });
    object.t.insert(3, 'd');
    object.t.insert(0, '😀');
    object.t.delete(2, 1);
    space.db.transact(() => {
      object.t.append('e');
      object.t.append('f');
    });
    await settled();
    assert.equal(mirror, '😀bcdef');
    assert.deepEqual(events, [
      { delta: [{ insert: '😀' }, { delete: 1 }, { retain: 2 }, { insert: 'def' }], local: true },
    ]);
    await space.db.flush();
    await space.close();
    await space.open();
    object.t.append('!');
    await settled();
    assert.equal(mirror, '😀bcdef!');
    stop();
    stop();
    object.t.append('?');
    await settled();
    assert.equal(mirror, '😀bcdef!');
    assert.throws(() => new Text('x').observe(() => undefined), { code: 'INVALID_ARGUMENT' });
    await client.destroy();
  });

  test('an anchor follows the edits of everybody', async () => {
    const { client, space } = await makeSpace();
    const { t } = space.db.add<{ t: Text }>({ t: new Text('0123456789') });
    const before = t.anchor(5);
    const after = t.anchor(5, { after: true });
    const end = t.anchor(10);
    const at = () => [before.position, after.position, end.position];
    assert.deepEqual(at(), [5, 5, 10]);
    t.insert(5, '😀');
    assert.deepEqual(at(), [5, 7, 12]);
    for (const c of 'typed') t.insert(0, c);
    assert.deepEqual(at(), [10, 12, 17]);
    t.delete(8, 3 + 1);
    assert.deepEqual(at(), [8, 8, 13]);
    t.replace(0, t.length, 'new');
    assert.deepEqual(at(), [0, 3, 0]);
    space.db.transact(() => t.insert(0, '> '));
    assert.deepEqual(at(), [0, 5, 0]);
    before.release();
    before.release();
    assert.equal(before.position, 0);
    t.append('!');
    assert.deepEqual(at(), [0, 6, 0]);
    await space.db.flush();
    await space.close();
    await space.open();
    assert.equal(t.toString(), '> new!');
    assert.deepEqual(at(), [0, 6, 0]);
    t.insert(0, 'x');
    assert.deepEqual(at(), [0, 7, 0]);
    assert.throws(() => t.anchor(99), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => t.anchor(0.5), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => new Text('x').anchor(0), { code: 'INVALID_ARGUMENT' });
    await client.destroy();
  });

  test('what is typed in one go is there for whatever asks, in order', async () => {
    const { client, space } = await makeSpace();
    const object = space.db.add<{ t: Text; u: Text; n: number }>({ t: new Text(), u: new Text(), n: 0 });
    const { t, u } = object;
    await settled();
    let mirror = '';
    t.observe((event) => {
      mirror = applied(mirror, event.delta);
    });
    const { first, random } = drawing();
    const twins = new Map([
      [t, ''],
      [u, ''],
    ]);
    let at = 0;
    let text = t;
    const looks: (() => unknown)[] = [
      () => assert.equal(text.length, twins.get(text)?.length),
      () => assert.equal(text.slice(0, at), twins.get(text)?.slice(0, at)),
      () => assert.equal(space.db.query({ t: twins.get(t) as string }).objects.length, 1),
      () => assert.throws(() => text.insert(text.length + 1, 'x'), { code: 'INVALID_ARGUMENT' }),
      () => assert.throws(() => text.delete(text.length), { code: 'INVALID_ARGUMENT' }),
      () => object.n++,
      () => text.anchor(at).release(),
      () => settled(),
      () => space.db.flush(),
    ];
    for (let i = 0; i < 3000; i++) {
      let twin = twins.get(text) as string;
      const kind = random(24);
      if (kind === 0) {
        text = random(2) === 0 ? t : u;
        at = (twins.get(text) as string).length;
      } else if (kind === 1) {
        text.insert(at, '😀');
        twin = `${twin.slice(0, at)}😀${twin.slice(at)}`;
        twins.set(text, twin);
        at += 2;
        assert.throws(() => text.insert(at - 1, 'x'), { code: 'INVALID_ARGUMENT' });
      } else if (kind < 5 && at > 0 && twin.charCodeAt(at - 1) < 128) {
        text.delete(--at);
        twins.set(text, twin.slice(0, at) + twin.slice(at + 1));
      } else if (kind === 5) {
        await looks[random(looks.length - 1)]?.();
      } else {
        const typed = 'abcdé'.charAt(random(5)).repeat(kind === 6 ? 100 : 1);
        text.insert(at, typed);
        twins.set(text, twin.slice(0, at) + typed + twin.slice(at));
        at += typed.length;
      }
    }
    await space.db.flush();
    for (const [kept, twin] of twins) assert.equal(kept.toString(), twin, `seed ${first}`);
    assert.equal(mirror, twins.get(t), `seed ${first}`);
    await space.close();
    await space.open();
    for (const [kept, twin] of twins) assert.equal(kept.toString(), twin, `seed ${first}`);
    await client.destroy();
  });

  test('an object and its queries change with their texts', async () => {
    const { client, space } = await makeSpace();
    const object = space.db.add<{ t: Text }>({ t: new Text('') });
    await settled();
    let calls = 0;
    let changed = 0;
    space.db.observe(object, () => calls++);
    space.db.query().subscribe((result) => {
      changed += result.changed.length;
    });
    for (const c of 'typing') object.t.append(c);
    await settled();
    assert.deepEqual([calls, changed], [1, 1]);
    await client.destroy();
  });
});

function applied(text: string, delta: readonly TextOp[]): string {
  let at = 0;
  let out = '';
  for (const op of delta) {
    if ('insert' in op) out += op.insert;
    else if ('retain' in op) out += text.slice(at, at + op.retain);
    if ('retain' in op) at += op.retain;
    if ('delete' in op) at += op.delete;
  }
  return out + text.slice(at);
}

/** Draws numbers, and says the seed of them. */
function drawing(): { first: number; random: (below: number) => number } {
  const first = Date.now() % 2 ** 31;
  let seed = first;
  const random = (below: number) => {
    seed = (Math.imul(seed, 48271) >>> 0) % 0x7fffffff;
    return seed % below;
  };
  return { first, random };
}

test('deltas compose to what one replacement after the other does', () => {
  const { first, random } = drawing();
  for (let run = 0; run < 500; run++) {
    const before = 'abcdefghij'.slice(0, random(11));
    let now = before;
    const replacements: Replacement[] = [];
    for (let n = random(8); n >= 0; n--) {
      const pos = random(now.length + 1);
      const deleted = random(now.length - pos + 1);
      const inserted = 'XYZ'.slice(0, random(4));
      now = now.slice(0, pos) + inserted + now.slice(pos + deleted);
      replacements.push({ pos, deleted, inserted });
      const delta = deltaOf(replacements);
      assert.equal(applied(before, delta), now, `seed ${first}, run ${run}: ${JSON.stringify(delta)}`);
    }
  }
});
