import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Expando, type Marks, Text, type TextEvent, type TextRun } from '@echospace/client';
import { deltaOf, type Replacement, type TextOp } from '../../src/db/textdelta.js';
import { makeSpace, settled } from './support.js';

/** What an editor holds that began with a text and follows its events. */
class Editor {
  runs: TextRun[];
  readonly events: TextEvent[] = [];

  constructor(text: Text) {
    this.runs = text.toDelta();
    text.observe((event) => {
      this.events.push(event);
      this.runs = applied(this.runs, event.delta);
    });
  }
}

/** Does what a delta says to runs, one code unit after the other. */
function applied(runs: readonly TextRun[], delta: readonly TextOp[]): TextRun[] {
  const units = runs.flatMap(({ insert, attributes }) =>
    insert.split('').map((unit): [string, Marks] => [unit, attributes ?? {}]),
  );
  let at = 0;
  for (const step of delta) {
    if ('delete' in step) units.splice(at, step.delete);
    else if ('insert' in step) {
      const put = step.insert.split('').map((unit): [string, Marks] => [unit, step.attributes ?? {}]);
      units.splice(at, 0, ...put);
      at += put.length;
    } else {
      for (const unit of step.attributes ? units.slice(at, at + step.retain) : [])
        unit[1] = without({ ...unit[1], ...step.attributes });
      at += step.retain;
    }
  }
  const out: TextRun[] = [];
  for (const [insert, attributes] of units) {
    const last = out[out.length - 1];
    if (last && same(last.attributes ?? {}, attributes)) last.insert += insert;
    else out.push(Object.keys(attributes).length > 0 ? { insert, attributes } : { insert });
  }
  return out;
}

function without(marks: Marks): Marks {
  const entries = Object.entries(marks).filter(([, value]) => value !== null);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function same(a: Marks, b: Marks): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

describe('marks', () => {
  test('a text is marked in a database, in a transaction, and before it comes to one', async () => {
    const { client, space } = await makeSpace();
    const inDatabase = space.db.add<{ t: Text }>({ t: new Text('The fox jumped.') }).t;
    const inTransaction = space.db.add<{ t: Text }>({ t: new Text('The fox jumped.') }).t;
    const alone = new Text('The fox jumped.');
    const expando = new Expando<{ t: Text }>({ t: alone });
    const edit = (text: Text) => {
      text.format(0, 7, { bold: true });
      text.format(4, 14, { link: 'https://example.org', note: { by: 'me', n: 1 } });
      text.format(0, 4, { bold: null });
      text.insert(7, 'es'); // in the link, at the end of what is bold
      text.insert(16, ' over'); // behind the link
      text.insert(0, '!', { italic: true });
      text.delete(1, 2);
      text.insert(4, 'b', {});
    };
    const marked = { link: 'https://example.org', note: { by: 'me', n: 1 } };
    const want = [
      { insert: '!', attributes: { italic: true } },
      { insert: 'e ' },
      { insert: 'f', attributes: { bold: true, ...marked } },
      { insert: 'b' },
      { insert: 'oxes', attributes: { bold: true, ...marked } },
      { insert: ' jumped', attributes: marked },
      { insert: ' over', attributes: { note: marked.note } },
      { insert: '.' },
    ];
    edit(inDatabase);
    assert.deepEqual(inDatabase.toDelta(), want);
    space.db.transact(() => {
      edit(inTransaction);
      assert.deepEqual(inTransaction.toDelta(), want);
    });
    assert.deepEqual(inTransaction.toDelta(), want);
    edit(alone);
    assert.deepEqual(alone.toDelta(), want);
    space.db.add(expando);
    assert.deepEqual(alone.toDelta(), want);
    const copy = space.db.add<{ t: Text }>({ t: alone }).t;
    assert.notEqual(copy, alone);
    assert.deepEqual(copy.toDelta(), want);
    assert.equal(String(alone), '!e fboxes jumped over.');
    await space.db.flush();
    await space.close();
    await space.open();
    for (const text of [inDatabase, inTransaction, alone, copy]) assert.deepEqual(text.toDelta(), want);
    await client.destroy();
  });

  test('which ends grow is the default of the name, or what was said', async () => {
    const { client, space } = await makeSpace();
    const cases: [Marks, 'after' | 'before' | 'both' | 'none' | undefined, string][] = [
      [{ bold: true }, undefined, 'after'],
      [{ link: 'x' }, undefined, 'none'],
      [{ 'comment:7': 'why?' }, undefined, 'none'],
      [{ comment: 'why?' }, undefined, 'none'],
      [{ commentary: true }, undefined, 'after'],
      [{ bold: true }, 'none', 'none'],
      [{ link: 'x' }, 'both', 'both'],
      [{ link: 'x' }, 'before', 'before'],
    ];
    for (const [marks, expand, grows] of cases) {
      const early = new Text('abc');
      early.format(1, 2, marks, expand && { expand });
      const late = space.db.add<{ t: Text }>({ t: new Text('abc') }).t;
      late.format(1, 2, marks, expand && { expand });
      space.db.add({ early });
      for (const text of [early, late]) {
        text.insert(2, '>');
        text.insert(1, '<');
        const [run] = text.toDelta().filter(({ attributes }) => attributes);
        assert.deepEqual(run, {
          insert: { after: 'b>', none: 'b', before: '<b', both: '<b>' }[grows],
          attributes: marks,
        });
      }
    }
    await client.destroy();
  });

  test('a copy marks as its original: an observer can follow by deltas', async () => {
    const { client, space } = await makeSpace();
    const text = space.db.add<{ t: Text }>({ t: new Text('0123456789') }).t;
    const editor = new Editor(text);
    text.format(2, 8, { bold: true, link: 'x' });
    text.insert(5, 'ab');
    text.format(0, 12, { bold: null });
    text.format(3, 5, { color: 'red' });
    text.delete(4, 3);
    await settled();
    assert.ok(editor.events.length > 0);
    assert.ok(editor.events.every(({ local }) => local));
    assert.deepEqual(editor.runs, text.toDelta());
    assert.deepEqual(editor.events.at(-1)?.delta.at(0), { retain: 2 });
    editor.events.length = 0;
    text.format(0, 1, { bold: true });
    await settled();
    assert.deepEqual(editor.events, [{ delta: [{ retain: 1, attributes: { bold: true } }], local: true }]);
    editor.events.length = 0;
    text.insert(1, '!');
    text.format(0, 2, { bold: null });
    await settled();
    assert.deepEqual(editor.runs, text.toDelta());
    // A transaction that is refused is no event, or one that is taken back.
    const before = text.toDelta();
    assert.throws(() =>
      space.db.transact(() => {
        text.format(0, 5, { bold: true });
        text.insert(2, 'gone', { italic: true });
        throw new Error('no');
      }),
    );
    assert.deepEqual(text.toDelta(), before);
    await settled();
    assert.deepEqual(editor.runs, before);
    await client.destroy();
  });

  test('what does not fit is refused by name, in memory and in a database', async () => {
    const { client, space } = await makeSpace();
    const held = space.db.add<{ t: Text }>({ t: new Text('ab😀c') }).t;
    for (const text of [new Text('ab😀c'), held]) {
      for (const [from, to] of [
        [3, 4],
        [0, 3],
        [-1, 2],
        [2, 1],
        [0, 6],
        [0.5, 2],
        [Number.NaN, 2],
      ] as const)
        assert.throws(
          () => text.format(from, to, { bold: true }),
          { code: 'INVALID_ARGUMENT' },
          `${from} ${to}`,
        );
      const bad: [unknown, string][] = [
        [null, 'INVALID_ARGUMENT'],
        [['bold'], 'INVALID_ARGUMENT'],
        [{ bold: undefined }, 'UNSUPPORTED_VALUE'],
        [{ bold: [] }, 'UNSUPPORTED_VALUE'],
        [{ bold: 1n }, 'UNSUPPORTED_VALUE'],
        [{ bold: { deep: {} } }, 'UNSUPPORTED_VALUE'],
        [{ bold: '\ud800' }, 'UNSUPPORTED_VALUE'],
        [{ ['n'.repeat(1025)]: true }, 'TOO_LARGE'],
        [{ bold: 'x'.repeat(4096) }, 'TOO_LARGE'],
        [{ bold: { a: 'x'.repeat(4090) } }, 'TOO_LARGE'],
      ];
      for (const [marks, code] of bad)
        assert.throws(
          () => text.format(0, 2, marks as Marks),
          { code },
          JSON.stringify(Object.keys(marks ?? [])),
        );
      assert.throws(() => text.format(0, 2, { a: 1 }, { expand: 'sideways' as 'none' }), {
        code: 'INVALID_ARGUMENT',
      });
      assert.throws(() => text.insert(3, 'x', { bold: true }), { code: 'INVALID_ARGUMENT' });
      text.format(2, 2, { bold: true });
      assert.deepEqual(text.toDelta(), [{ insert: 'ab😀c' }]);
      assert.equal(String(text), 'ab😀c');
    }
    assert.deepEqual(new Text().toDelta(), []);
    await client.destroy();
  });

  test('deltas compose: many changes come to what they do one after the other', () => {
    let seed = 7;
    const random = (n: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * n);
    };
    for (let round = 0; round < 300; round++) {
      const begin: TextRun[] = [{ insert: '0123' }, { insert: '456', attributes: { bold: true } }];
      let now: TextRun[] = begin;
      const changes: Replacement[] = [];
      for (let n = 0; n < 12; n++) {
        const length = now.reduce((sum, { insert }) => sum + insert.length, 0);
        const pos = random(length + 1);
        const deleted = random(Math.min(4, length - pos) + 1);
        const attributes = [undefined, { bold: true }, { bold: null }, { link: 'x', size: 2 }][random(4)];
        const formats = random(2) === 0;
        const set = attributes && (formats ? attributes : without(attributes));
        const change: Replacement = {
          pos,
          deleted,
          inserted: formats ? undefined : 'abc'.slice(random(4)),
          attributes: set && Object.keys(set).length > 0 ? set : undefined,
        };
        changes.push(change);
        now = applied(now, deltaOf([change]));
      }
      assert.deepEqual(applied(begin, deltaOf(changes)), now, `round ${round}: ${JSON.stringify(changes)}`);
    }
  });
});
