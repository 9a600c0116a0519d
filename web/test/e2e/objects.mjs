import assert from 'node:assert/strict';
import { add, createSpace, sees, share, world } from './harness.mjs';

const { test, sharedPeer } = world();

/** Makes an object with a text, and waits until the other has it. Gives its id. */
async function shareNote(ada, bob) {
  const id = await ada.run(async () => {
    const note = space.db.add({ title: 'Note', body: new es.Text('[]') });
    await space.db.flush();
    return es.idOf(note);
  });
  await sees(bob, { title: 'Note' });
  return id;
}

const pair = async () => [await sharedPeer('Ada'), await sharedPeer('Bob')];

test('O01 add, read, change, remove, restore', async () => {
  const [ada] = await pair();
  await createSpace(ada);
  const steps = await ada.run(async () => {
    const task = space.db.add(new es.Expando({ title: 'a', note: 'n' }));
    const id = es.idOf(task);
    const steps = [space.db.get(id) === task, task.title];
    task.title = 'b';
    delete task.note;
    await space.db.flush();
    steps.push(JSON.stringify(task), 'note' in task);
    space.db.remove(task);
    steps.push(space.db.get(id) === undefined, space.db.query().objects.length);
    steps.push(space.db.query(undefined, { deleted: 'only' }).objects.length);
    space.db.restore(task);
    await space.db.flush();
    steps.push(space.db.get(id).title, es.isRemoved(task));
    return steps;
  });
  assert.deepEqual(steps, [true, 'a', '{"title":"b"}', false, true, 0, 1, 'b', false]);
});

test('O02 lists: push, splice, move and sort on both sides, online and offline', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  const id = await ada.run(async () => {
    const items = ['a', 'b', 'c', 'd'].map((title) => ({ title, done: false }));
    const board = space.db.add({ name: 'Board', tags: ['z', 'y', 'x'], items });
    await space.db.flush();
    return es.idOf(board);
  });
  await sees(bob, { name: 'Board' });
  const titles = (who) =>
    who.run(
      (id) =>
        space.db
          .get(id)
          .items.map((i) => i.title)
          .join(''),
      id,
    );
  const see = async (want) => {
    for (const who of [ada, bob]) {
      await who.run(
        ({ id, want }) =>
          until(
            () =>
              space.db
                .get(id)
                .items.map((i) => i.title)
                .join('') === want,
            want,
          ),
        { id, want },
      );
    }
  };
  // What a page holds of an item stays it while the other moves it.
  await bob.run((id) => {
    globalThis.item = space.db.get(id).items[0];
  }, id);
  await ada.run((id) => es.moveItem(space.db.get(id).items, 0, 3), id);
  await see('bcda');
  await bob.run((id) => {
    item.done = true;
    if (space.db.get(id).items[3] !== item) throw new Error('it is another item');
  }, id);
  await ada.run((id) => until(() => space.db.get(id).items[3].done, 'the item is done'), id);
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOffline());
  await ada.run(async (id) => {
    const { items, tags } = space.db.get(id);
    es.moveItem(items, 3, 0);
    items.push({ title: 'e', done: false });
    tags.sort();
    await space.db.flush();
  }, id);
  await bob.run(async (id) => {
    const { items, tags } = space.db.get(id);
    item.title = 'A';
    items.splice(1, 1);
    tags.push('w');
    await space.db.flush();
  }, id);
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOnline());
  await see('Abde');
  for (const who of [ada, bob]) {
    assert.equal(await titles(who), 'Abde');
    assert.deepEqual(await who.run((id) => [...space.db.get(id).tags], id), ['x', 'y', 'z', 'w']);
  }
});

test('O02 O05 an application and its next version work on one space side by side', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  // The schemas of both versions; a bundler would bring them from a validator's package.
  await ada.run(() => {
    const validate = ({ title, done = false, ...rest }) =>
      typeof title === 'string' && typeof done === 'boolean'
        ? { value: { title, done, ...rest } }
        : { issues: [{ message: 'want a title and done', path: ['title'] }] };
    globalThis.Task = es.defineType('task', { '~standard': { version: 1, vendor: 'test', validate } });
    globalThis.tasks = [];
    space.db.query(Task, { done: false }).subscribe(({ objects }) => {
      tasks = objects.map((task) => task.title);
    });
  });
  await bob.run(() => {
    const validate = ({ title, state, tags = [], ...rest }) =>
      ['open', 'doing', 'done'].includes(state)
        ? { value: { title, state, tags, ...rest } }
        : { issues: [{ message: 'want a state', path: ['state'] }] };
    globalThis.Task = es.defineType(
      'task',
      { '~standard': { version: 1, vendor: 'test', validate } },
      { version: 2, migrate: { 1: (old) => ({ ...old, state: old.done ? 'done' : 'open' }) } },
    );
    globalThis.tasks = [];
    space.db.query(Task, { state: 'open' }).subscribe(({ objects }) => {
      tasks = objects.map((task) => task.title);
    });
  });
  const open = (who, want) =>
    who.run((want) => until(() => tasks.join('') === want, `open tasks are ${want}`), want);

  await ada.run(() => {
    globalThis.own = ['a', 'b', 'c'].map((title) => space.db.add(Task.create({ title })));
  });
  await open(bob, 'abc');
  await ada.run(() => {
    own[1].done = true; // bob has not written anything, so that it is migrated to `done`
  });
  await open(bob, 'ac');

  // While both are away the one edits by the old version, the other by the new.
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOffline());
  await ada.run(async () => {
    own[0].title = 'A';
    own[2].done = true;
    await space.db.flush();
  });
  await bob.run(async () => {
    const [a] = space.db.query(Task, { title: 'a' }).objects;
    a.tags.push('late');
    a.state = 'doing';
    space.db.add(Task.create({ title: 'd', state: 'open', done: false }));
    await space.db.flush();
  });
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOnline());
  await open(ada, 'Ad');
  await open(bob, 'd');
  const seen = (who) =>
    who.run(() =>
      space.db.query(Task, undefined, { order: 'title' }).objects.map((task) => ({
        json: JSON.stringify(Object.fromEntries(Object.entries(task).sort())),
        problems: Task.problems(task).length,
        is: Task.is(task),
      })),
    );
  const fine = (json) => ({ json, problems: 0, is: true });
  assert.deepEqual(await seen(bob), [
    fine('{"done":false,"state":"doing","tags":["late"],"title":"A"}'),
    fine('{"done":true,"state":"done","tags":[],"title":"b"}'),
    fine('{"done":true,"state":"done","tags":[],"title":"c"}'),
    fine('{"done":false,"state":"open","tags":[],"title":"d"}'),
  ]);
  assert.deepEqual(await seen(ada), [
    fine('{"done":false,"state":"doing","tags":["late"],"title":"A"}'),
    fine('{"done":true,"title":"b"}'),
    fine('{"done":true,"title":"c"}'),
    fine('{"done":false,"state":"open","tags":[],"title":"d"}'),
  ]);

  // What the old version knows nothing of stays when it edits.
  await ada.run(async () => {
    own[0].done = true;
    await space.db.flush();
  });
  await bob.run(() =>
    until(
      () => space.db.query(Task, { done: true, state: 'doing', title: 'A' }).objects.length === 1,
      'done',
    ),
  );
});

test('O03 references between objects, and those that resolve later', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  const id = await ada.run(async () => {
    const person = new es.Expando({ name: 'Eva' });
    const task = space.db.add(new es.Expando({ title: 'with an owner', owner: person }));
    await space.db.flush();
    return es.idOf(task);
  });
  const names = await bob.run(async (id) => {
    const task = await until(() => space.db.get(id));
    await until(() => task.owner?.name === 'Eva', 'the reference resolves');
    return [task.owner.name, task.owner === space.db.query({ name: 'Eva' }).objects[0]];
  }, id);
  assert.deepEqual(names, ['Eva', true]);
});

test('O05 filters: equality, operators, combination, deleted shown or hidden', async () => {
  const [ada] = await pair();
  await createSpace(ada);
  const results = await ada.run(() => {
    for (let n = 0; n < 6; n++)
      space.db.add({ n, even: n % 2 === 0, in: { side: n < 3 ? 'left' : 'right' } });
    space.db.remove(space.db.query({ n: 5 }).objects[0]);
    const numbers = (filter, options) => space.db.query(filter, options).objects.map((o) => o.n);
    return [
      numbers({ even: true }),
      numbers({ n: { $gt: 1, $lte: 4 } }),
      numbers({ n: { $in: [0, 4] } }),
      numbers({ in: { side: 'right' }, even: true }),
      numbers({ $or: [{ n: 1 }, { n: 2 }] }),
      numbers({ $not: { even: true } }),
      numbers((o) => o.n * 2 === 6),
      numbers({ even: false }, { deleted: 'show' }),
      numbers(undefined, { deleted: 'only' }),
    ];
  });
  assert.deepEqual(results, [[0, 2, 4], [2, 3, 4], [0, 4], [4], [1, 2], [1, 3], [3], [1, 3, 5], [5]]);
});

test('O06 a live query: first result at once, then one callback per burst', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  await add(ada, { n: 0 });
  await sees(bob, { n: 0 });
  await bob.run(() => {
    globalThis.bursts = [];
    space.db.query().subscribe(({ objects, added }) => bursts.push([objects.length, added.length]));
    if (bursts.length !== 1) throw new Error('the first result is not there at once');
  });
  await ada.run(async () => {
    for (let n = 1; n <= 50; n++) space.db.add({ n });
    await space.db.flush();
  });
  const bursts = await bob.run(async () => {
    await until(() => bursts.at(-1)[0] === 51, 'all 51');
    return bursts;
  });
  assert.deepEqual(bursts, [
    [1, 1],
    [51, 50],
  ]);
  const own = await ada.run(async () => {
    const calls = [];
    const stop = space.db.query({ own: true }).subscribe(({ objects }) => calls.push(objects.length));
    for (let n = 0; n < 10; n++) space.db.add({ own: true });
    await until(() => calls.length > 1);
    await space.db.flush();
    stop();
    space.db.add({ own: true });
    await space.db.flush();
    return calls;
  });
  assert.deepEqual(own, [0, 10]);
});

test('O06 transactions of one task are told in one callback, after the call that made them', async () => {
  const [ada] = await pair();
  const calls = await ada.run(async () => {
    const space = await client.createSpace();
    const objects = [1, 2, 3].map((n) => space.db.add({ n, done: true }));
    await space.db.flush();
    const query = space.db.query({ done: true });
    const calls = [];
    let inside = false;
    query.subscribe(({ objects, changed, removed }) => {
      calls.push([objects.map(({ n }) => n), changed.length, removed.length, inside]);
      // What a callback does is told in another one.
      if (calls.length === 2) space.db.transact(() => Object.assign(objects[0], { n: 50 }));
    });
    const transact = (f) => {
      inside = true;
      try {
        space.db.transact(f);
      } finally {
        inside = false;
      }
    };
    const told = (count) => until(() => calls.length === count, `${count} callbacks`);
    transact(() => Object.assign(objects[0], { n: 5 }));
    await told(3);
    for (const object of objects) transact(() => Object.assign(object, { n: object.n + 1 }));
    calls.push(query.objects.length);
    transact(() => Object.assign(objects[2], { done: false }));
    calls.push(query.objects.length);
    await told(6);
    try {
      transact(() => {
        objects[1].n = 9;
        throw new Error('no');
      });
    } catch (error) {
      calls.push(error.message);
    }
    objects[1].n = 7;
    await told(8);
    space.db.undo.undo();
    await told(9);
    objects[0].n = 60; // whatever came in between stands before it
    await told(10);
    return calls;
  });
  assert.deepEqual(calls, [
    [[1, 2, 3], 0, 0, false],
    [[5, 2, 3], 1, 0, false],
    [[50, 2, 3], 1, 0, false],
    3,
    2,
    [[51, 3], 2, 1, false],
    'no',
    [[51, 7], 1, 0, false],
    [[51, 3], 1, 0, false],
    [[60, 3], 1, 0, false],
  ]);
});

test('O07 a text replicates; what two type at one place offline does not interleave', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  const id = await shareNote(ada, bob);
  // An editor of each page follows by what it is told.
  for (const who of [ada, bob]) {
    await who.run((id) => {
      const { body } = space.db.get(id);
      globalThis.editor = body.toString();
      body.observe(({ delta }) => {
        editor = edited(editor, delta);
      });
    }, id);
  }
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOffline());
  for (const who of [ada, bob]) {
    await who.run(
      async ({ id, typed }) => {
        const { body } = space.db.get(id);
        for (const [i, c] of [...typed].entries()) {
          body.insert(1 + i, c);
          if (i % 4 === 3) await space.db.flush();
        }
      },
      { id, typed: `${who.name} was here. ` },
    );
  }
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOnline());
  const texts = [];
  for (const who of [ada, bob]) {
    await who.run((id) => until(() => space.db.get(id).body.length === 30, 'both texts'), id);
    texts.push(await who.run((id) => space.db.get(id).body.toString(), id));
    assert.equal(await who.run(() => editor), texts.at(-1));
  }
  assert.equal(texts[0], texts[1]);
  assert.match(texts[0], /^\[(ada was here\. bob was here\. |bob was here\. ada was here\. )\]$/i);
  await bob.run(async (id) => {
    space.db.get(id).body.replace(1, 3, '😀');
    await space.db.flush({ to: 'peer' });
  }, id);
  await ada.run((id) => until(() => space.db.get(id).body.slice(1, 3) === '😀', 'the edit of the other'), id);
});

test('O07 an editor is never behind its text, also while much arrives', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  const id = await shareNote(ada, bob);
  const rounds = 40;
  // As editors do: what is typed shows at once and goes to the text, what others do comes from there.
  await ada.run(
    ({ id, rounds }) => {
      const { body } = space.db.get(id);
      const live = space.db.query({ round: rounds });
      live.subscribe(() => undefined);
      globalThis.editor = body.toString();
      globalThis.behind = 0;
      body.observe(({ delta, local }) => {
        if (!local) editor = edited(editor, delta);
      });
      const type = (at) => {
        editor = `${editor.slice(0, at)}a${editor.slice(at)}`;
        body.insert(at, 'a');
      };
      globalThis.typing = eachTask((turn) => {
        if (editor !== body.toString()) behind++;
        if (turn % 16 === 0) type(editor.indexOf(']'));
        return live.objects.length === 0;
      });
    },
    { id, rounds },
  );
  await bob.run(
    async ({ id, rounds }) => {
      for (let round = 1; round <= rounds; round++) {
        space.db.transact(() => {
          for (let i = 0; i < 500; i++) space.db.add({ title: `object ${i} of round ${round}`, round: 0 });
          space.db.get(id).body.insert(0, 'b');
        });
      }
      space.db.add({ title: 'the last', round: rounds });
      await space.db.flush();
    },
    { id, rounds },
  );
  const { text, same, late } = await ada.run(async (id) => {
    await typing;
    const text = space.db.get(id).body.toString();
    return { text, same: editor === text, late: behind };
  }, id);
  assert.equal(late, 0, 'tasks in which the editor did not show the text as it is');
  assert.ok(same);
  assert.match(text, new RegExp(`^b{${rounds}}\\[a+\\]$`));
});

test('O07 what one marks while the other types: bold grows over it, a link does not', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  const id = await ada.run(async () => {
    const note = space.db.add({ title: 'Marks', body: new es.Text('The fox jumped.') });
    await space.db.flush();
    return es.idOf(note);
  });
  await sees(bob, { title: 'Marks' });
  for (const who of [ada, bob]) {
    await who.run((id) => {
      const { body } = space.db.get(id);
      globalThis.editor = body.toDelta().flatMap(({ insert }) => insert.split('').map((unit) => [unit, {}]));
      body.observe(({ delta }) => {
        let at = 0;
        for (const step of delta) {
          if ('delete' in step) editor.splice(at, step.delete);
          else if ('insert' in step) {
            const put = step.insert.split('').map((unit) => [unit, { ...step.attributes }]);
            editor.splice(at, 0, ...put);
            at += put.length;
          } else {
            for (const unit of editor.slice(at, at + step.retain)) Object.assign(unit[1], step.attributes);
            at += step.retain;
          }
        }
      });
    }, id);
    await who.run(() => client.mesh.goOffline());
  }
  await ada.run(async (id) => {
    const { body } = space.db.get(id);
    body.format(4, 14, { bold: true, link: 'https://example.org' });
    body.format(0, 3, { 'comment:1': 'which?' });
    await space.db.flush();
  }, id);
  await bob.run(async (id) => {
    const { body } = space.db.get(id);
    for (const [i, c] of [...' over'].entries()) body.insert(14 + i, c);
    for (const [i, c] of [...'quick '].entries()) body.insert(4 + i, c);
    await space.db.flush();
  }, id);
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOnline());
  const want = [
    { insert: 'The', attributes: { 'comment:1': 'which?' } },
    { insert: ' quick ' },
    { insert: 'fox jumped', attributes: { bold: true, link: 'https://example.org' } },
    { insert: ' over', attributes: { bold: true } },
    { insert: '.' },
  ];
  for (const who of [ada, bob]) {
    await who.run(
      (id) => until(() => space.db.get(id).body.toDelta().length === 5, 'the marks and what was typed'),
      id,
    );
    assert.deepEqual(await who.run((id) => space.db.get(id).body.toDelta(), id), want);
    const units = want.flatMap(({ insert, attributes }) =>
      insert.split('').map((unit) => [unit, attributes ?? {}]),
    );
    assert.deepEqual(await who.run(() => editor), units);
  }
});

test('O08 counters add up, on both sides and offline', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  const id = await ada.run(async () => {
    const poll = space.db.add({ question: 'Tea?', yes: new es.Counter(2) });
    await space.db.flush();
    return es.idOf(poll);
  });
  await sees(bob, { question: 'Tea?' });
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOffline());
  await ada.run((id) => space.db.get(id).yes.increment(), id);
  await bob.run(async (id) => {
    for (let i = 0; i < 5; i++) space.db.get(id).yes.increment(10);
    space.db.get(id).yes.decrement();
    await space.db.flush();
  }, id);
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOnline());
  for (const who of [ada, bob]) {
    await who.run((id) => until(() => space.db.get(id).yes.value === 52, 'all additions count'), id);
    const json = await who.run((id) => JSON.stringify(space.db.get(id)), id);
    assert.equal(json, '{"question":"Tea?","yes":52}');
  }
});

test('O09 concurrent set: the same winner everywhere, the others can be asked for', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  const id = await add(ada, { title: 'before' });
  await sees(bob, { title: 'before' });
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOffline());
  for (const who of [ada, bob]) {
    await who.run(
      async ({ id, name }) => {
        space.db.get(id).title = name;
        await space.db.flush();
      },
      { id, name: who.name },
    );
  }
  for (const who of [ada, bob]) await who.run(() => client.mesh.goOnline());
  const seen = [];
  for (const who of [ada, bob]) {
    seen.push(
      await who.run(async (id) => {
        const object = space.db.get(id);
        // Also in the task before the page is told of what arrived.
        await eachTask(() => space.db.conflicts(object, 'title').length < 2);
        return [object.title, space.db.conflicts(object, 'title')];
      }, id),
    );
  }
  assert.deepEqual(seen[0], seen[1]);
  assert.deepEqual(seen[0][1].toSorted(), ['Ada', 'Bob']);
  assert.equal(seen[0][0], seen[0][1][0]);
  await ada.run((id) => {
    space.db.get(id).title = 'settled';
  }, id);
  await sees(bob, { title: 'settled' });
  const left = await bob.run((id) => space.db.conflicts(space.db.get(id), 'title').length, id);
  assert.equal(left, 0);
});

test('O13 the JSON of an object equals what was put in, also on the other side and after reopening', async () => {
  const [ada, bob] = await pair();
  await share(ada, bob);
  const put = {
    emoji: '👩‍🚀 é 漢字',
    empty: '',
    flag: false,
    float: -1.5e-7,
    integer: 9007199254740991,
    negative: -42,
    nested: { deep: { deeper: { n: 1 } }, none: null },
    zero: 0,
  };
  const id = await add(ada, put);
  const text = JSON.stringify(put);
  const got = [
    await ada.run((id) => JSON.stringify(space.db.get(id)), id),
    await bob.run((id) => until(() => space.db.get(id) && JSON.stringify(space.db.get(id))), id),
    await ada.run(async (id) => {
      await space.close();
      await space.open();
      return JSON.stringify(space.db.get(id));
    }, id),
  ];
  assert.deepEqual(
    got.map((json) => JSON.parse(json)),
    Array(3).fill(JSON.parse(text)),
  );
});

test('O14 toString, keys, iteration and equality of live objects are those of plain ones', async () => {
  const [ada] = await pair();
  await createSpace(ada);
  const seen = await ada.run(() => {
    const plain = { a: 1, b: { c: null }, d: 'x' };
    const live = space.db.add(new es.Expando(plain));
    const { b: nested } = live;
    const pairs = [];
    for (const key in live) pairs.push([key, live[key] === plain[key]]);
    return {
      text: String(live) === String(plain) && `${live.b}` === `${plain.b}`,
      keys: Object.keys(live),
      entries: JSON.stringify(Object.entries(live)) === JSON.stringify(Object.entries(plain)),
      pairs,
      has: ['a' in live, 'z' in live, Object.hasOwn(live, 'd')],
      spread: { ...live, b: { ...live.b } },
      same: live.b === nested,
      clone: structuredClone({ ...live, b: { ...live.b } }),
      assigned: Object.assign({}, live).a,
      hidden: Object.keys(live).includes('id'),
    };
  });
  assert.deepEqual(seen, {
    text: true,
    keys: ['a', 'b', 'd'],
    entries: true,
    pairs: [
      ['a', true],
      ['b', false],
      ['d', true],
    ],
    has: [true, false, true],
    spread: { a: 1, b: { c: null }, d: 'x' },
    same: true,
    clone: { a: 1, b: { c: null }, d: 'x' },
    assigned: 1,
    hidden: false,
  });
});

test('O15 flush resolves after the storage transaction', async () => {
  const ada = await sharedPeer('Ada');
  await createSpace(ada);
  const result = await ada.run(async () => {
    // Every transaction of the page, as it completes.
    let completed = 0;
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (stores, mode, options) {
      const made = transaction.call(this, stores, mode, options);
      if (mode === 'readwrite') made.addEventListener('complete', () => completed++);
      return made;
    };
    try {
      space.db.add({ title: 'to be stored' });
      const before = completed;
      await space.db.flush();
      const after = completed;
      await space.db.flush({ to: 'disk' });
      return [before < after, (await outcome(space.db.flush())).code];
    } finally {
      IDBDatabase.prototype.transaction = transaction;
    }
  });
  assert.deepEqual(result, [true, undefined]);
});

test('O17 objects created on both sides before joining are there after', async () => {
  const [ada, bob] = await pair();
  const key = await share(ada, bob);
  await add(ada, { by: 'Ada', where: 'shared' });
  // Bob's own space is untouched by what he joins.
  await bob.run(async () => {
    const own = await client.createSpace();
    own.db.add({ by: 'Bob', where: 'own' });
    await own.db.flush();
    globalThis.own = own;
  });
  await sees(bob, { by: 'Ada' });
  await add(bob, { by: 'Bob', where: 'shared' });
  await sees(ada, { by: 'Bob', where: 'shared' });
  const found = await bob.run(
    (key) => [client.getSpace(key).db.query().objects.length, own.db.query().objects.map((o) => o.where)],
    key,
  );
  assert.deepEqual(found, [2, ['own']]);
});
