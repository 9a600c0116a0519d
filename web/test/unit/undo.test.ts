import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Counter, isRemoved, moveItem, type Space, Text, type TextEvent } from '@echospace/client';
import { makeSpace, settled } from './support.js';

interface Task {
  title?: string | undefined;
  done?: boolean;
  place?: { city: string; street?: string };
  tags: string[];
  items: { name: string }[];
  body: Text;
  votes: Counter;
}

const newTask = (): Task => ({
  title: 'a',
  place: { city: 'Bern' },
  tags: ['x', 'y', 'z'],
  items: [{ name: 'first' }, { name: 'second' }],
  body: new Text('Hello'),
  votes: new Counter(1),
});

describe('UndoManager', () => {
  let space: Space;
  beforeEach(async () => {
    ({ space } = await makeSpace());
  });

  test('O12 every kind of edit, undone and redone', async () => {
    const { db } = space;
    const task = db.add<Task>(newTask());
    await settled();
    db.undo.clear();
    assert.equal(db.undo.undo(), false);
    const read = () => JSON.parse(JSON.stringify(task));
    const states = [read()];
    const steps: (() => void)[] = [
      () => {
        task.title = 'b';
        task.done = true;
      },
      () => {
        delete task.title;
      },
      () => task.body.insert(5, ', world'),
      () => task.body.replace(0, 5, 'Bye'),
      () => task.votes.increment(5),
      () => {
        if (task.place) task.place.street = 'Main';
      },
      () => {
        delete task.place;
      },
      () => {
        task.place = { city: 'Basel' };
      },
      () => task.tags.push('more', 'tags'),
      () => task.tags.splice(1, 2),
      () => moveItem(task.tags, 0, 2),
      () => {
        (task.items[1] as { name: string }).name = 'changed';
      },
      () => task.items.splice(0, 2),
      () => task.tags.reverse(),
    ];
    for (const step of steps) {
      step();
      await settled();
      db.undo.stopCapturing();
      states.push(read());
    }
    for (let round = 0; round < 2; round++) {
      for (let at = steps.length - 1; at >= 0; at--) {
        assert.equal(db.undo.undo(), true);
        assert.deepEqual(read(), states[at], `after ${at} steps`);
      }
      assert.equal(db.undo.undo(), false);
      for (let at = 1; at <= steps.length; at++) {
        assert.equal(db.undo.redo(), true);
        assert.deepEqual(read(), states[at], `after ${at} steps again`);
      }
      assert.equal(db.undo.redo(), false);
    }
    db.remove(task);
    db.undo.undo();
    assert.equal(isRemoved(task), false);
    await db.flush();
  });

  test('O11 a task is a step, and so is a transaction; typing joins', async () => {
    const { db } = space;
    const task = db.add<Task>(newTask());
    await settled();
    db.undo.clear();
    task.title = 'b';
    task.body.append('!');
    assert.equal(db.query({ title: 'b' }).objects.length, 1);
    task.done = true;
    await settled();
    db.undo.undo();
    assert.deepEqual(JSON.parse(JSON.stringify(task)), JSON.parse(JSON.stringify(newTask())));

    db.transact(() => {
      task.title = 'c';
      db.transact(() => {
        task.body.insert(0, '>');
        task.votes.increment(1);
      });
      task.title = 'd';
    });
    task.title = 'e';
    db.undo.undo();
    assert.equal(task.title, 'd');
    db.undo.undo();
    assert.deepEqual([task.title, `${task.body}`, task.votes.value], ['a', 'Hello', 1]);

    for (const letter of ' you') {
      task.body.append(letter);
      await settled();
    }
    db.undo.stopCapturing();
    task.body.append('!');
    await settled();
    db.undo.undo();
    assert.equal(`${task.body}`, 'Hello you');
    db.undo.undo();
    assert.equal(`${task.body}`, 'Hello');
    db.undo.captureWindow = 0;
    assert.equal(db.undo.captureWindow, 0);
    task.body.append('1');
    await settled();
    task.body.append('2');
    await settled();
    db.undo.undo();
    assert.equal(`${task.body}`, 'Hello1');
  });

  test('O11 a transaction that throws leaves no step', async () => {
    const { db } = space;
    const task = db.add<Task>(newTask());
    await settled();
    db.undo.clear();
    assert.throws(() =>
      db.transact(
        () => {
          task.title = 'b';
          task.body.append('!');
          throw new Error('no');
        },
        { message: 'never' },
      ),
    );
    db.transact(() => undefined, { message: 'nothing' });
    assert.equal(db.undo.canUndo, false);
    assert.equal(db.undo.nextUndo, undefined);
    assert.equal(db.undo.undo(), false);
    assert.deepEqual([task.title, `${task.body}`], ['a', 'Hello']);
  });

  test('O11 messages, and what buttons need', async () => {
    const { db } = space;
    const task = db.add<Task>(newTask());
    await settled();
    db.undo.clear();
    await settled();
    const told: unknown[] = [];
    const { unsubscribe } = db.undo.state.subscribe(({ canUndo, canRedo, nextUndo, nextRedo }) =>
      told.push([canUndo, canRedo, nextUndo?.message, nextRedo?.message]),
    );
    db.transact(
      () => {
        task.title = 'b';
        db.transact(() => task.votes.increment(1), { message: 'inner' });
      },
      { message: 'rename' },
    );
    assert.equal(db.undo.nextUndo?.message, 'rename');
    assert.ok(Math.abs(Number(db.undo.nextUndo?.time) - Date.now()) < 60_000);
    await settled();
    db.undo.undo();
    assert.equal(db.undo.nextRedo?.message, 'rename');
    await settled();
    db.undo.redo();
    await settled();
    assert.deepEqual(told, [
      [false, false, undefined, undefined],
      [true, false, 'rename', undefined],
      [false, true, undefined, 'rename'],
      [true, false, 'rename', undefined],
    ]);
    task.title = 'c';
    assert.equal(db.undo.canUndo, true);
    assert.equal(db.undo.nextUndo?.message, undefined);
    unsubscribe();
    const set = () => {
      task.title = 'd';
    };
    assert.throws(() => db.transact(set, { message: 'x'.repeat(1025) }), { code: 'TOO_LARGE' });
    assert.throws(() => db.transact(set, { message: '\ud800' }), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => db.transact(set, { message: 5 as unknown as string }), { code: 'INVALID_ARGUMENT' });
    assert.equal(task.title, 'c');
    db.transact(set, { message: 'x'.repeat(1024) });
    await settled();
    assert.equal(db.undo.state.get().nextUndo?.message, 'x'.repeat(1024));
  });

  test('O12 observers of texts, objects and queries are told', async () => {
    const { db } = space;
    const task = db.add<Task>(newTask());
    await settled();
    const events: TextEvent[] = [];
    let objects = 0;
    let results = 0;
    task.body.observe((event) => events.push(event));
    db.observe(task, () => objects++);
    db.query({ title: 'b' }).subscribe(() => results++);
    db.transact(() => {
      task.body.insert(0, '>');
      task.title = 'b';
    });
    await settled();
    assert.deepEqual([events.length, objects, results], [1, 1, 2]);
    db.undo.undo();
    await settled();
    assert.deepEqual(events[1], { delta: [{ delete: 1 }], local: false });
    assert.deepEqual([objects, results], [2, 3]);
  });

  test('O12 formatting, and typing in it, in steps and in transactions', async () => {
    const { db } = space;
    const task = db.add<Task>(newTask());
    await settled();
    db.undo.clear();
    const read = () => JSON.stringify(task.body.toDelta());
    const states = [read()];
    const steps: (() => void)[] = [
      () => task.body.format(0, 4, { bold: true }),
      () => task.body.format(2, 5, { bold: null, link: 'x' }),
      () =>
        db.transact(() => {
          task.body.insert(3, 'new');
          task.body.format(1, 6, { bold: 2 });
        }),
      () => task.body.delete(1, 6),
    ];
    for (const step of steps) {
      step();
      await settled();
      states.push(read());
    }
    for (let round = 0; round < 2; round++) {
      for (let n = steps.length - 1; n >= 0; n--) {
        assert.equal(db.undo.undo(), true);
        assert.equal(read(), states[n]);
      }
      for (let n = 1; n <= steps.length; n++) {
        assert.equal(db.undo.redo(), true);
        assert.equal(read(), states[n]);
      }
    }
  });

  test('O12 refusals', async () => {
    const { db } = space;
    const task = db.add<Task>(newTask());
    await settled();
    db.undo.clear();
    assert.throws(() => db.transact(() => db.undo.undo()), { code: 'INVALID_ARGUMENT' });
    assert.equal(db.undo.undo(), false);
    assert.equal(isRemoved(task), false);
    await space.close();
    assert.throws(() => db.undo.undo(), { code: 'SPACE_CLOSED' });
    assert.equal(db.undo.canUndo, false);
    assert.equal(db.undo.state.get().canUndo, false);
    await space.open();
    assert.equal(db.undo.canUndo, false);
  });
});
