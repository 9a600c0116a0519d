import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Counter, defineType, type Live, type Space, Text } from '@echospace/client';
import { z } from 'zod';
import { makeClient, makeSpace, newName, openPage, type Page, settled } from './support.js';
import { json, newType, refused, taskSchema } from './typesupport.js';

describe('objects of older and newer versions', () => {
  let space: Space;
  before(async () => {
    ({ space } = await makeSpace());
  });

  const v2 = z.object({
    title: z.string(),
    state: z.enum(['open', 'doing', 'done']),
    note: z.string().default('none'),
  });
  const toV2 = (old: { done: boolean; title: string }) => ({ ...old, state: old.done ? 'done' : 'open' });

  /** Objects of version 1, seen through version 2 from now on. */
  function migrated(...done: boolean[]) {
    const name = newType();
    const Old = defineType(name, taskSchema);
    const objects = done.map((d, n) => space.db.add(Old.create({ title: `t${n}`, done: d })));
    const Task = defineType(name, v2, { version: 2, migrate: { 1: toV2 } });
    return { Task, objects: objects as unknown as Live<z.output<typeof v2> & { done: boolean }>[] };
  }

  test('reading migrates without writing', async () => {
    const { objects } = migrated(true, false);
    await space.db.flush();
    let changes = 0;
    const stop = space.db.observe(objects[0] as object, () => changes++);
    assert.deepStrictEqual(objects, [
      { title: 't0', done: true, state: 'done', note: 'none' },
      { title: 't1', done: false, state: 'open', note: 'none' },
    ]);
    await settled();
    stop();
    assert.equal(changes, 0);
    assert.deepEqual(space.db.query({ state: 'done' } as object).objects, []);
  });

  test('the first edit stores what the migration made, once, with the version', async () => {
    const { Task, objects } = migrated(true, false);
    const [task] = objects;
    assert.ok(task);
    task.title = 'new';
    assert.deepStrictEqual(task, { title: 'new', done: true, state: 'done', note: 'none' });
    await space.db.flush();
    assert.deepEqual(space.db.query({ state: 'done', note: 'none' } as object).objects, [task]);
    await space.close();
    await space.open();
    assert.deepStrictEqual({ ...task }, { title: 'new', done: true, state: 'done', note: 'none' });
    task.state = 'doing';
    assert.equal(space.db.query(Task, { state: 'doing' }).objects[0], task);
  });

  test('an edit that is refused stores nothing of the migration', async () => {
    const { objects } = migrated(true);
    const [task] = objects;
    assert.ok(task);
    assert.throws(() => {
      (task as { state: unknown }).state = 'lost';
    }, refused('state'));
    assert.throws(() =>
      space.db.transact(() => {
        task.title = 'y';
        throw new Error('no');
      }),
    );
    await space.db.flush();
    assert.deepEqual(space.db.query({ title: 't0', state: 'done' } as object).objects, []);
    assert.deepStrictEqual(task, { title: 't0', done: true, state: 'done', note: 'none' });
    space.db.transact(() => {
      task.state = 'open';
    });
    assert.deepEqual(space.db.query({ title: 't0', state: 'open' } as object).objects, [task]);
  });

  test('a property that the migration drops is deleted by the first edit', async () => {
    const name = newType();
    const old = space.db.add(defineType(name, taskSchema).create({ title: 'x' }));
    const schema = z.object({ name: z.string() });
    defineType(name, schema, { version: 2, migrate: { 1: ({ title }) => ({ name: title }) } });
    const now = old as unknown as Live<{ name: string }>;
    assert.deepStrictEqual(now, { name: 'x' });
    now.name = 'y';
    await space.db.flush();
    await space.close();
    await space.open();
    assert.deepStrictEqual({ ...now }, { name: 'y' });
  });

  test('O05 objects of older versions are found by what they show, those of this version by what is stored', async () => {
    const { Task, objects } = migrated(true, false, true);
    const fresh = space.db.add(Task.create({ title: 't3', state: 'done' }));
    const titles = (filter: object) =>
      space.db.query(Task, filter as never).objects.map(({ title }) => title);
    const cases: [object, string[]][] = [
      [{ state: 'done' }, ['t0', 't2', 't3']],
      [{ state: { $ne: 'done' } }, ['t1']],
      [{ state: { $prefix: 'do' }, title: { $gte: 't2' } }, ['t2', 't3']],
      [{ note: { $contains: 'on' }, $not: { title: { $in: ['t0', 't3'] } } }, ['t1', 't2']],
      [{ $or: [{ title: 't1' }, { state: 'doing' }] }, ['t1']],
      [{ title: { $lt: 't1' } }, ['t0']],
      [{ missing: { $ne: 1 } }, ['t0', 't1', 't2', 't3']],
      [{ title: 5 }, []],
    ];
    for (const [filter, want] of cases) assert.deepEqual(titles(filter), want, JSON.stringify(filter));
    const told: string[][] = [];
    const stop = space.db
      .query(Task, { state: 'done' }, { order: 'title', limit: 2 })
      .subscribe((r) => told.push(r.objects.map(({ title }) => title)));
    (objects[1] as { state: string }).state = 'done';
    await settled();
    fresh.state = 'open';
    (objects[0] as { state: string }).state = 'open';
    await settled();
    stop();
    assert.deepEqual(told, [
      ['t0', 't2'],
      ['t0', 't1'],
      ['t1', 't2'],
    ]);
  });

  test('an object that was made before its type changed is added as it shows', async () => {
    const name = newType();
    const made = defineType(name, z.object({ a: z.number() })).create({ a: 1 });
    let steps = 0;
    const Task = defineType(name, z.object({ b: z.number(), c: z.number().default(3) }), {
      version: 2,
      migrate: { 1: ({ a }) => ({ b: a + ++steps }) },
    });
    const now = space.db.add(made) as unknown as Live<{ b: number; c: number }>;
    await space.db.flush();
    await space.close();
    await space.open();
    assert.deepStrictEqual({ ...now }, { b: 2, c: 3 });
    assert.equal(steps, 1);
    assert.deepEqual(space.db.query(Task, { b: 2 }).objects, [now]);
  });

  test('a default that was replaced in a transaction that fails shows again', async () => {
    const name = newType();
    const old = space.db.add(defineType(name, z.object({ a: z.number() })).create({ a: 1 }));
    const Task = defineType(name, z.object({ a: z.number(), b: z.array(z.string()).default(['x']) }));
    const now = old as unknown as Live<{ a: number; b: string[] }>;
    const { b } = now;
    const fail = (f: () => void) =>
      assert.throws(() =>
        space.db.transact(() => {
          f();
          throw new Error('no');
        }),
      );
    fail(() => {
      now.b = ['y'];
    });
    fail(() => b.push('y'));
    fail(() => {
      delete (now as { b?: unknown }).b;
    });
    assert.equal(now.b, b);
    assert.deepStrictEqual([...b], ['x']);
    await space.db.flush();
    b.push('y');
    delete (now as { b?: unknown }).b;
    assert.deepStrictEqual(json(now), { a: 1, b: ['x'] });
    await space.db.flush();
    assert.deepStrictEqual(json(now), { a: 1, b: ['x'] });
    assert.deepEqual(Task.problems(now), []);
  });

  test('objects stay readable when their space is closed', async () => {
    const own = await makeSpace();
    const name = newType();
    const Task = defineType(name, z.object({ title: z.string(), owner: z.unknown().optional() }));
    const owner = own.space.db.add({ name: 'Ann' });
    const task = own.space.db.add(Task.create({ title: 'x', owner }));
    await own.space.db.flush();
    assert.equal(task.title, 'x');
    await own.space.close();
    defineType(name, z.object({ title: z.string(), more: z.number().default(1) }));
    assert.equal(task.title, 'x');
    assert.throws(
      () => {
        task.title = 'y';
      },
      { code: 'SPACE_CLOSED' },
    );
    assert.equal(task.title, 'x');
  });

  test('migrations follow one another, and a version without one fills in defaults', () => {
    const name = newType();
    const old = space.db.add(defineType(name, z.object({ a: z.number() })).create({ a: 1 }));
    const schema = z.object({ a: z.number(), b: z.number(), c: z.array(z.string()).default([]) });
    defineType(name, schema, {
      version: 4,
      migrate: { 1: (o) => ({ ...o, b: o.a + 1 }), 2: (o) => ({ ...o, b: o.b * 10 }) },
    });
    assert.deepStrictEqual(json(old), { a: 1, b: 20, c: [] });
  });

  test('what a migration cannot do is a problem, not an exception', () => {
    const name = newType();
    const old = space.db.add(defineType(name, z.object({ a: z.number() })).create({ a: 1 }));
    const steps: Record<string, (old: { a: number }) => object> = {
      'is broken': () => {
        throw new Error('is broken');
      },
      'no plain object': () => [],
      'cannot be stored|is no value': () => ({ a: 1, b: () => 1 }),
      expected: () => ({ a: 'x' }),
    };
    for (const [problem, step] of Object.entries(steps)) {
      const Task = defineType(name, z.looseObject({ a: z.number() }), { version: 2, migrate: { 1: step } });
      assert.ok('a' in old);
      assert.match(Task.problems(old)[0]?.message ?? '', new RegExp(problem));
    }
  });

  test('a list that a migration makes is edited as any other, and stored with the first edit', async () => {
    const name = newType();
    const old = space.db.add(defineType(name, z.object({ tags: z.string() })).create({ tags: 'a b' }));
    const schema = z.object({ tags: z.array(z.string()), at: z.object({ n: z.number() }) });
    defineType(name, schema, {
      version: 2,
      migrate: { 1: ({ tags }) => ({ tags: tags.split(' '), at: { n: 1 } }) },
    });
    const now = old as unknown as Live<z.output<typeof schema>>;
    const { tags } = now;
    assert.deepEqual([...tags], ['a', 'b']);
    tags.push('c');
    tags.reverse();
    now.at.n++;
    assert.throws(() => tags.push(1 as never), refused('tags.3'));
    assert.equal(now.tags, tags);
    await space.db.flush();
    await space.close();
    await space.open();
    assert.deepEqual(json(now), { tags: ['c', 'b', 'a'], at: { n: 2 } });
  });

  test('defaults of lists, maps, counters and texts show, and are stored once they are edited', async () => {
    const name = newType();
    const Old = defineType(name, z.object({ n: z.number() }));
    const old = space.db.add(Old.create({ n: 1 }));
    const schema = z.object({
      n: z.number(),
      tags: z.array(z.string()).default([]),
      likes: z.instanceof(Counter).default(() => new Counter()),
      body: z.instanceof(Text).default(() => new Text()),
      state: z.string().default('open'),
    });
    defineType(name, schema);
    const now = old as unknown as Live<z.output<typeof schema>>;
    const shown = { n: 1, tags: [], likes: 0, body: '', state: 'open' };
    assert.deepEqual(json(now), shown);
    const { body, tags } = now;
    now.n = 2;
    await space.db.flush();
    assert.equal(now.body, body, 'what a default made stays the same object');
    assert.equal(now.tags, tags);
    assert.deepEqual(space.db.query({ state: 'open', n: 2 } as object).objects, []);
    const deltas: unknown[] = [];
    body.observe(({ delta }) => deltas.push(delta));
    body.append('hi');
    now.likes.increment(2);
    tags.push('x');
    await space.db.flush();
    await settled();
    assert.equal(now.body, body);
    assert.deepEqual(deltas, [[{ insert: 'hi' }]]);
    await space.close();
    await space.open();
    assert.deepEqual(json(now), { n: 2, tags: ['x'], likes: 2, body: 'hi', state: 'open' });
    now.state = 'done';
    assert.equal(space.db.query({ state: 'done', n: 2 } as object).objects[0], now);
  });
});

describe('pages of different versions on one space', () => {
  /** What the first version of an application has, and the second. */
  const older = (page: Page) => page.defineType('task', z.object({ title: z.string(), done: z.boolean() }));
  const newer = (page: Page) =>
    page.defineType(
      'task',
      z.object({
        title: z.string().max(9),
        state: z.enum(['open', 'doing', 'done']),
        rank: z.number().default(1),
      }),
      { version: 2, migrate: { 1: (old) => ({ ...old, state: old.done ? 'done' : 'open' }) } },
    );

  /** Opens the one space of a storage in a page, does something there, and closes it. */
  async function visit<T>(name: string, storage: string, f: (page: Page, space: Space) => T): Promise<T> {
    const page = await openPage(name);
    const client = await makeClient(storage, page);
    await client.initialize();
    if (!client.halo.identity.get()) await client.halo.createIdentity();
    const space = client.spaces.get()[0] ?? (await client.createSpace());
    await space.waitUntilReady();
    const result = f(page, space);
    await space.db.flush();
    await client.destroy();
    return result;
  }

  test('each reads and edits what the other wrote, in turn', async () => {
    const storage = newName();
    const ids = await visit('old-1', storage, (page, { db }) => {
      const Task = older(page);
      return ['a', 'b', 'c'].map((title) => page.idOf(db.add(Task.create({ title, done: title === 'b' }))));
    });
    const [a = '', b = '', c = ''] = ids;

    await visit('new-1', storage, (page, { db }) => {
      const Task = newer(page);
      const found = db.query(Task, { state: 'open' }).objects;
      assert.deepEqual(found.map(page.idOf), [a, c]);
      const first = db.get(a);
      assert.ok(Task.is(first));
      first.state = 'doing';
    });

    await visit('old-2', storage, (page, { db }) => {
      const Task = older(page);
      assert.deepEqual(json(db.query(Task, { done: false }).objects), [
        { title: 'a', done: false, state: 'doing', rank: 1 },
        { title: 'c', done: false },
      ]);
      const first = db.get(a);
      assert.ok(Task.is(first));
      assert.deepEqual(Task.problems(first), []);
      first.title = 'a title too long';
      first.done = true;
      assert.throws(
        () => {
          (first as { done: unknown }).done = 1;
        },
        { code: 'INVALID_ARGUMENT', path: 'done' },
      );
      const second = db.get(b);
      assert.ok(Task.is(second));
      second.done = false;
    });

    await visit('new-2', storage, (page, { db }) => {
      const Task = newer(page);
      const [first, second] = [db.get(a), db.get(b)];
      assert.ok(Task.is(first) && Task.is(second));
      assert.deepEqual(json(first), { title: 'a title too long', done: true, state: 'doing', rank: 1 });
      assert.deepEqual(json(second), { title: 'b', done: false, state: 'open', rank: 1 });
      const [problem, ...others] = Task.problems(first);
      assert.deepEqual([problem?.path, others], [['title'], []]);
      first.state = 'open'; // what others left wrong does not keep this from being edited
      assert.throws(
        () => {
          first.title = 'another title too long';
        },
        { code: 'INVALID_ARGUMENT', path: 'title' },
      );
      first.title = 'a';
      assert.deepEqual(Task.problems(first), []);
    });

    await visit('none', storage, (_page, { db }) => {
      assert.deepEqual(json(db.get(a)), { title: 'a', done: true, state: 'open', rank: 1 });
      const [plain] = db.query<{ title: string }>({ title: 'a' }).objects;
      assert.ok(plain);
      plain.title = 'a page without the type may write anything';
    });

    await visit('new-3', storage, (page, { db }) => {
      const Task = newer(page);
      const first = db.get(a);
      assert.ok(Task.is(first));
      assert.equal(Task.problems(first).length, 1);
    });
  });
});

test('O05 the page judges what is shown as the core judges what is stored', async () => {
  const { space } = await makeSpace();
  const { db } = space;
  const name = newType();
  const Old = defineType(name, z.looseObject({}));
  const target = db.add({ name: 'target' });
  const values: Record<string, unknown> = {
    missing: undefined,
    ...{
      null: null,
      yes: true,
      no: false,
      'empty string': '',
      a: 'a',
      ab: 'ab',
      'last of its plane': '\uffff',
    },
    ...{
      emoji: '👩‍🚀',
      zero: 0,
      'minus zero': -0,
      one: 1,
      half: 0.5,
      minus: -3,
      large: 2 ** 60,
      nan: Number.NaN,
    },
    ...{ infinite: Infinity, 'minus infinite': -Infinity, big: 2n ** 70n, 'small big': -5n, 'big one': 1n },
    ...{ date: new Date(1), 'later date': new Date(9), bytes: new Uint8Array([1, 2]), reference: target },
    ...{
      map: { v: 1 },
      list: [1, 'a', null],
      'empty list': [],
      text: new Text('ab'),
      counter: new Counter(1),
    },
  };
  for (const [what, v] of Object.entries(values)) db.add(Old.create({ what, ...(v !== undefined && { v }) }));
  const Task = defineType(name, z.looseObject({}), { version: 2, migrate: { 1: (old) => ({ ...old }) } });
  const operands = Object.entries(values).filter(
    ([, v]) =>
      v !== undefined &&
      !(v instanceof Text || v instanceof Counter) &&
      !Array.isArray(v) &&
      v !== values.map,
  );
  const filters = operands.flatMap(([, v]) => {
    const names = ['$eq', '$ne', '$lt', '$lte', '$gt', '$gte', '$contains', '$prefix'];
    return [
      ...names.map((operator) => ({ v: { [operator]: v } })),
      { v: { v } },
      { $not: { v } },
      { v: { $not: { $gt: v } } },
    ];
  });
  for (const filter of filters) {
    const what = (objects: readonly object[]) => objects.map((object) => (object as { what: string }).what);
    const core = what(db.query({ '@es:type': name, $and: [filter] } as never).objects);
    const page = what(db.query(Task, filter as never).objects);
    assert.deepEqual(
      page,
      core,
      Object.keys(Object.values(filter)[0] ?? {}).join() + String(Object.values(filter)),
    );
  }
});

test('O11 drawn edits of objects of an older version leave what a plain twin has', async (t) => {
  const seed = Number(process.env.ECHOSPACE_SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`ECHOSPACE_SEED=${seed}`);
  const draw = drawer(seed);
  const { space } = await makeSpace();
  const { db } = space;
  const name = newType();
  const Old = defineType(
    name,
    z.object({ title: z.string(), done: z.boolean(), tags: z.string().optional() }),
  );
  const made = Array.from({ length: 6 }, (_, n) =>
    db.add(Old.create({ title: `t${n}`, done: n % 2 === 0, ...(n % 3 === 0 && { tags: 'a b' }) })),
  );
  const schema = z.object({
    title: z.string().trim().min(1),
    state: z.enum(['open', 'done']),
    tags: z.array(z.string()).max(4).default(['x']),
    place: z.object({ floor: z.number() }).default({ floor: 0 }),
    n: z.number().optional(),
  });
  type Task = z.output<typeof schema>;
  defineType(name, schema, {
    version: 2,
    migrate: {
      1: ({ done, tags, ...rest }) => ({
        ...rest,
        state: done ? 'done' : 'open',
        ...(tags && { tags: tags.split(' ') }),
      }),
    },
  });
  const objects = made as unknown as Task[];
  let twins = objects.map((task) => json(task) as Task);
  assert.deepEqual(twins[0], { title: 't0', state: 'done', tags: ['a', 'b'], place: { floor: 0 } });
  assert.deepEqual(twins[1], { title: 't1', state: 'open', tags: ['x'], place: { floor: 0 } });

  const edits: ((task: Task) => void)[] = [
    (task) => {
      task.title = draw(4) === 0 ? ' ' : ` t${draw(99)} `;
    },
    (task) => {
      task.state = draw(4) === 0 ? ('lost' as never) : 'done';
    },
    (task) => task.tags.push(draw(6) === 0 ? (5 as never) : 'p'),
    (task) => task.tags.splice(draw(3), draw(3), 's'),
    (task) => task.tags.reverse(),
    (task) => {
      task.tags = draw(4) === 0 ? ['1', '2', '3', '4', '5'] : ['new'];
    },
    (task) => {
      task.place.floor = draw(4) === 0 ? ('high' as never) : draw(9);
    },
    (task) => {
      task.n = draw(9);
    },
    (task) => {
      const key = (['title', 'tags', 'place', 'n'] as const)[draw(4)] as keyof Task;
      delete (task as Partial<Task>)[key];
    },
    () => {
      throw new Error('no');
    },
  ];

  for (let step = 0; step < 400; step++) {
    const script = Array.from({ length: 1 + draw(4) }, () => ({
      which: draw(objects.length),
      edit: edits[draw(edits.length - (draw(3) === 0 ? 0 : 1))] as (task: Task) => void,
      dice: draw(2 ** 30),
    }));
    const alone = script.length === 1;
    // The same dice fall for the object and for its twin.
    const play = (tasks: Task[]) => {
      for (const { which, edit, dice } of script) {
        draw.again(dice);
        edit(tasks[which] as Task);
      }
    };
    const rest = draw(2 ** 30);
    let expected: Task[] | undefined;
    try {
      const next = structuredClone(twins);
      play(next);
      expected = next.map((task) => schema.parse(task));
    } catch {
      expected = undefined;
    }
    const run = () => (alone ? play(objects) : db.transact(() => play(objects)));
    if (expected) run();
    else assert.throws(run);
    draw.again(rest);
    twins = expected ?? twins;
    const when = `step ${step}`;
    if (draw(3) > 0) assert.deepEqual(json(objects), twins, when);
    if (draw(10) === 0) await db.flush();
    if (draw(60) === 0) {
      await db.flush();
      await space.close();
      await space.open();
    }
    if (draw(3) === 0) assert.deepEqual(json(objects), twins, `${when}, later`);
  }
  await db.flush();
  assert.deepEqual(json(objects), twins);
});

/** Draws numbers below a limit from a seed (a linear congruential generator). */
function drawer(seed: number) {
  let state = seed;
  const draw = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % below;
  };
  return Object.assign(draw, {
    again(dice: number) {
      state = dice;
    },
  });
}
