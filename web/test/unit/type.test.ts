import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Counter, defineType, Expando, idOf, isLive, type Live, type Space, Text } from '@echospace/client';
import { z } from 'zod';
import { makeSpace, settled } from './support.js';
import { json, newType, refused, schemaOf, taskSchema } from './typesupport.js';

describe('defineType', () => {
  let space: Space;
  before(async () => {
    ({ space } = await makeSpace());
  });

  test('O13 an object is validated, its defaults filled, and its JSON is what was put in', async () => {
    const Task = defineType(newType(), taskSchema);
    const task = space.db.add(Task.create({ title: 'x' }));
    assert.deepStrictEqual(task, { title: 'x', done: false });
    assert.deepEqual(Object.keys(task), ['title', 'done']);
    assert.equal(JSON.stringify(task), '{"title":"x","done":false}');
    await space.db.flush();
    await space.close();
    await space.open();
    const again = space.db.get<{ title: string; done: boolean }>(idOf(task));
    assert.deepStrictEqual(again, { title: 'x', done: false });
    assert.ok(!Object.keys(again ?? {}).some((key) => key.startsWith('@es:')));
    assert.ok(Task.is(again));
    assert.deepEqual(Task.problems(task), []);
  });

  test('create refuses what does not fit, naming property and reason, and adds nothing', () => {
    const Task = defineType(newType(), taskSchema);
    const count = space.db.query().objects.length;
    assert.throws(() => Task.create({ title: 5 } as never), refused('title', /title: .*string/));
    assert.throws(() => Task.create({} as never), refused('title'));
    assert.throws(() => Task.create(undefined as never), refused(''));
    assert.throws(() => Task.create({ title: '', done: 1 } as never), refused('title', /and 1 more/));
    assert.equal(space.db.query().objects.length, count);
  });

  test('a property that the schema gives as undefined is left out', () => {
    const Task = defineType(newType(), taskSchema);
    const input = { title: 'x', rank: undefined } as never;
    assert.deepStrictEqual(space.db.add(Task.create(input)), { title: 'x', done: false });
  });

  for (const stored of [true, false]) {
    test(`an edit of an object ${stored ? 'in a database' : 'that was not added'} is refused and changes nothing`, async () => {
      const Task = defineType(newType(), taskSchema);
      const made = Task.create({ title: 'x', rank: 1 });
      const task = (stored ? space.db.add(made) : made) as { [key: string]: unknown };
      assert.throws(() => {
        task.title = 5;
      }, refused('title'));
      assert.throws(() => {
        delete (task as { title?: unknown }).title;
      }, refused('title'));
      assert.throws(
        () => {
          task.other = 1;
        },
        refused('other', /no such property/),
      );
      assert.throws(() => {
        task.rank = new Expando({});
      }, refused('rank'));
      assert.deepStrictEqual(task, { title: 'x', done: false, rank: 1 });
      task.title = 'y';
      delete (task as { rank?: unknown }).rank;
      assert.deepStrictEqual(task, { title: 'y', done: false });
      if (!stored) return;
      await space.db.flush();
      await space.close();
      await space.open();
      assert.deepStrictEqual(space.db.get(idOf(task)), { title: 'y', done: false });
    });
  }

  test('a refused edit takes along neither edits before it nor what it referred to', () => {
    const Task = defineType(newType(), z.object({ title: z.string(), owner: z.never().optional() }));
    const task = space.db.add(Task.create({ title: 'x' })) as Record<string, unknown>;
    const owner = new Expando({ name: 'Ann' });
    task.title = 'y';
    assert.throws(() => {
      task.owner = owner;
    }, refused('owner'));
    assert.equal(task.title, 'y');
    assert.equal(space.db.get(idOf(owner)), undefined);
    space.db.add(owner);
    assert.equal(space.db.get(idOf(owner)), owner);
  });

  test('O11 a transaction is judged at its end, and refused whole', () => {
    const Range = defineType(
      newType(),
      z.object({ from: z.number(), to: z.number() }).refine((r) => r.from <= r.to, 'from is after to'),
    );
    const range = space.db.add(Range.create({ from: 1, to: 2 }));
    const other = space.db.add({ n: 1 });
    assert.throws(
      () => {
        range.from = 5;
      },
      refused('', /from is after to/),
    );
    space.db.transact(() => {
      range.from = 5;
      range.to = 6;
    });
    assert.deepStrictEqual(range, { from: 5, to: 6 });
    const bad = () =>
      space.db.transact(() => {
        other.n = 2;
        space.db.transact(() => {
          range.from = 7;
        });
      });
    assert.throws(bad, refused(''));
    assert.deepStrictEqual([range, other], [{ from: 5, to: 6 }, { n: 1 }]);
    assert.throws(() => Range.create({ from: 2, to: 1 }), refused(''));
  });

  test('O11 an inner transaction that fails leaves the outer one to be judged', () => {
    const Task = defineType(newType(), taskSchema);
    const task = space.db.add(Task.create({ title: 'x' }));
    space.db.transact(() => {
      task.title = 'y';
      assert.throws(() =>
        space.db.transact(() => {
          task.title = '';
          throw new Error('no');
        }),
      );
    });
    assert.equal(task.title, 'y');
  });

  test('what is set is stored as the schema gives it, alone and in a transaction', async () => {
    const Mail = defineType(newType(), z.object({ to: z.string().trim().toLowerCase() }));
    const mail = space.db.add(Mail.create({ to: ' A@B ' }));
    assert.equal(mail.to, 'a@b');
    mail.to = ' C@D ';
    assert.equal(mail.to, 'c@d');
    space.db.transact(() => {
      mail.to = ' E@F ';
    });
    await space.db.flush();
    assert.deepEqual(json(space.db.query(Mail, { to: 'e@f' }).objects), [{ to: 'e@f' }]);
  });

  test('a schema that is asynchronous, or does not accept its own output, is refused', () => {
    const Late = defineType(newType(), {
      '~standard': { version: 1, vendor: 'by hand', validate: async (value) => ({ value: value as object }) },
    });
    assert.throws(() => Late.create({}), { code: 'INVALID_ARGUMENT', message: /asynchronously/ });
    const Zod = defineType(newType(), z.object({ a: z.string().refine(async () => true) }));
    assert.throws(() => Zod.create({ a: '' }), { code: 'INVALID_ARGUMENT', message: /asynchronously/ });
    const Length = defineType(newType(), z.object({ a: z.string().transform((s) => s.length) }));
    assert.throws(() => Length.create({ a: 'abc' }), refused('a', /does not accept its own output/));
  });

  test('a schema made by hand, with defaults and one that transforms', () => {
    const Point = defineType(
      newType(),
      schemaOf<{ x: number; y?: number }, { x: number; y: number }>(({ x, y = 0 }) =>
        typeof x === 'number'
          ? { x: Math.round(x), y: y as number }
          : [{ message: 'is no number', path: [{ key: 'x' }] }],
      ),
    );
    const point = space.db.add(Point.create({ x: 1.4 }));
    assert.deepStrictEqual(point, { x: 1, y: 0 });
    point.x = 2.6;
    assert.equal(point.x, 3);
    assert.throws(
      () => {
        (point as { x: unknown }).x = '3';
      },
      refused('x', /x: is no number/),
    );
  });

  test('O02 maps and lists are checked inside, at every kind of edit', async () => {
    const Board = defineType(
      newType(),
      z.object({ place: z.object({ floor: z.number() }), tags: z.array(z.string()).max(3) }),
    );
    const board = space.db.add(Board.create({ place: { floor: 1 }, tags: ['b', 'a'] }));
    const { place, tags } = board;
    assert.throws(() => {
      (place as { floor: unknown }).floor = 'x';
    }, refused('place.floor'));
    assert.throws(() => tags.push(5 as never), refused('tags.2'));
    assert.throws(() => tags.push('c', 'd'), refused('tags'));
    assert.throws(() => {
      tags[0] = null as never;
    }, refused('tags.0'));
    assert.throws(() => tags.unshift(1 as never), refused('tags.0'));
    assert.deepStrictEqual([...board.tags, place.floor], ['b', 'a', 1]);
    tags.push('c');
    tags.sort();
    place.floor = 2;
    assert.equal(board.tags, tags);
    await space.db.flush();
    assert.deepEqual(json(space.db.get(idOf(board))), { place: { floor: 2 }, tags: ['a', 'b', 'c'] });
  });

  test('O07 O08 texts and counters come to the validator as they are; typing is not validated', async () => {
    const seen: unknown[] = [];
    const Note = defineType(
      newType(),
      z.object({
        body: z.instanceof(Text).refine((text) => seen.push(text)),
        likes: z.instanceof(Counter),
        at: z.date(),
      }),
    );
    const input = { body: new Text('a'), likes: new Counter(1), at: new Date(5) };
    const note = space.db.add(Note.create(input));
    assert.equal(note.body, input.body);
    seen.length = 0;
    note.body.append('b');
    space.db.transact(() => note.body.append('c'));
    assert.equal(seen.length, 0);
    note.likes.increment();
    assert.equal(seen[0], note.body);
    await space.db.flush();
    assert.deepEqual(json(note), { body: 'abc', likes: 2, at: '1970-01-01T00:00:00.005Z' });
    assert.throws(() => {
      (note as { body: unknown }).body = 'plain';
    }, refused('body'));
  });

  test('O03 references are checked as the live objects that they are', () => {
    const Person = defineType(newType(), z.object({ name: z.string() }));
    type Person = Live<{ name: string }>;
    const Task = defineType(newType(), z.object({ owner: z.custom<Person>(Person.is) }));
    const owner = Person.create({ name: 'Ann' });
    const task = space.db.add(Task.create({ owner }));
    assert.equal(task.owner, owner);
    assert.equal(space.db.get(idOf(owner)), owner);
    const stranger = space.db.add({ name: 'Bob' });
    assert.throws(() => {
      task.owner = stranger;
    }, refused('owner'));
    space.db.remove(owner);
    assert.equal(Task.problems(task).length, 1);
    space.db.restore(owner);
    assert.deepEqual(Task.problems(task), []);
  });

  test('O03 a long chain of objects is read one at a time', async () => {
    const own = await makeSpace();
    const Link = defineType(
      newType(),
      z.object({ n: z.number(), next: z.custom<object>(isLive).optional() }),
    );
    let head = Link.create({ n: 0 });
    own.space.db.transact(() => {
      for (let n = 1; n <= 5000; n++) head = own.space.db.add(Link.create({ n, next: head }));
    });
    await own.space.db.flush();
    await own.space.close();
    await own.space.open();
    assert.deepEqual(Link.problems(head), []);
    let length = 0;
    for (let at: object | undefined = head; Link.is(at); at = at.next) length++;
    assert.equal(length, 5001);
  });

  test('is and problems are about objects of the type', () => {
    const Task = defineType(newType(), taskSchema);
    const task = Task.create({ title: 'x' });
    assert.ok(Task.is(task) && Task.is(space.db.add(task)));
    for (const other of [space.db.add({ title: 'x' }), { title: 'x' }, null, undefined, 'x']) {
      assert.ok(!Task.is(other));
      assert.throws(() => Task.problems(other as object), { code: 'INVALID_ARGUMENT' });
    }
  });

  const bad: Record<string, () => unknown> = {
    'no schema': () => defineType('t', {} as never),
    'a schema of another version': () =>
      defineType('t', { '~standard': { version: 2, vendor: '', validate: () => ({}) } } as never),
    'no name': () => defineType('', taskSchema),
    'a fraction of a version': () => defineType('t', taskSchema, { version: 1.5 }),
    'version 0': () => defineType('t', taskSchema, { version: 0 }),
    'a migration from the own version': () => defineType('t', taskSchema, { migrate: { 1: (old) => old } }),
    'a migration that is no function': () =>
      defineType('t', taskSchema, { version: 2, migrate: { 1: {} as never } }),
  };
  for (const [name, define] of Object.entries(bad)) {
    test(`a definition with ${name} is refused`, () => {
      assert.throws(define, { code: 'INVALID_ARGUMENT', message: /defineType/ });
    });
  }

  test('a definition with a name that is too long is refused', () => {
    assert.throws(() => defineType('x'.repeat(2000), taskSchema), { code: 'TOO_LARGE' });
  });

  test('the names of the bookkeeping are refused in objects, and free inside of them', () => {
    assert.throws(() => space.db.add({ '@es:type': 'task' }), {
      code: 'UNSUPPORTED_VALUE',
      path: '@es:type',
    });
    const any = space.db.add<Record<string, unknown>>({ in: { '@es:type': 'x' }, '@type': 'Person' });
    assert.throws(
      () => {
        any['@es:version'] = 1;
      },
      { code: 'UNSUPPORTED_VALUE' },
    );
    assert.deepStrictEqual(json(any), { in: { '@es:type': 'x' }, '@type': 'Person' });
  });

  test('O05 O06 a query by type gives its objects only, live, by conditions and by a function', async () => {
    const Task = defineType(newType(), taskSchema);
    space.db.add({ title: 'plain', done: false });
    const tasks = ['a', 'b', 'c'].map((title) => space.db.add(Task.create({ title, done: title === 'b' })));
    const titles = (list: readonly { title: string }[]) => list.map(({ title }) => title).join('');
    assert.equal(titles(space.db.query(Task).objects), 'abc');
    assert.equal(titles(space.db.query(Task, { done: false }).objects), 'ac');
    assert.equal(titles(space.db.query(Task, ({ title }) => title > 'a').objects), 'bc');
    const options = { order: { by: 'title', descending: true }, limit: 2 };
    assert.equal(
      titles(space.db.query(Task, { $or: [{ done: true }, { title: 'a' }] }, options).objects),
      'ba',
    );
    const told: string[] = [];
    const stop = space.db.query(Task, { done: true }).subscribe((r) => told.push(titles(r.objects)));
    for (const task of tasks) task.done = !task.done;
    await settled();
    stop();
    assert.deepEqual(told, ['b', 'ac']);
  });

  test('a type that is defined again takes the place of the one before; an older version cannot', () => {
    const name = newType();
    const First = defineType(name, z.object({ a: z.string() }));
    const object = space.db.add(First.create({ a: 'x' })) as Record<string, unknown>;
    const Second = defineType(name, z.object({ a: z.string(), b: z.number().default(3) }));
    assert.deepStrictEqual(object, { a: 'x', b: 3 });
    assert.ok(First.is(object) && Second.is(object));
    defineType(name, z.object({ c: z.string() }), { version: 2, migrate: { 1: ({ a }) => ({ c: a }) } });
    assert.deepStrictEqual(object, { c: 'x' });
    for (const use of [
      () => First.create({ a: 'y' }),
      () => space.db.query(First),
      () => defineType(name, taskSchema),
    ])
      assert.throws(use, { code: 'INVALID_ARGUMENT', message: /version 2/ });
  });
});
