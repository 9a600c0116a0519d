import assert from 'node:assert/strict';
import { createSpace, sees, share, world } from './harness.mjs';

const { test, peer } = world();

/** Makes the note of these tests in `space` and keeps it as `note`. Gives its id. */
const makeNote = (who) =>
  who.run(async () => {
    globalThis.note = space.db.add({ title: 'Note', tags: ['a', 'b', 'c'], body: new es.Text('Hello') });
    await space.db.flush();
    space.db.undo.clear();
    return es.idOf(note);
  });

/** Finds the note again, after a reload or on the other side. */
const findNote = (who, id) =>
  who.run(async (id) => {
    globalThis.note = await until(() => space.db.get(id), 'the note is there');
  }, id);

const show = (who) => who.run(() => [note.title, `${note.body}`, note.tags.join('')]);

/** Loads the page anew, without waiting for anything, and opens the space again. */
async function reload(who, key) {
  await who.reload();
  await who.open();
  await who.run((key) => {
    globalThis.space = client.getSpace(key);
  }, key);
}

test('O12 what was done before a reload is undone after it', async () => {
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  const id = await makeNote(ada);
  await ada.run(async () => {
    space.db.transact(
      () => {
        note.title = 'Renamed';
        note.tags.splice(0, 1);
      },
      { message: 'rename' },
    );
    for (const letter of ', you') {
      note.body.append(letter);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    space.db.undo.stopCapturing();
    note.body.replace(0, 1, 'J');
    await space.db.flush();
  });
  await reload(ada, key);
  await findNote(ada, id);
  assert.deepEqual(await show(ada), ['Renamed', 'Jello, you', 'bc']);
  const undone = await ada.run(async () => {
    const { undo } = space.db;
    const steps = [];
    while (undo.canUndo) {
      const message = undo.nextUndo.message ?? '';
      undo.undo();
      steps.push([message, note.title, `${note.body}`, note.tags.join('')]);
    }
    undo.redo();
    await space.db.flush();
    return steps;
  });
  assert.deepEqual(undone, [
    ['', 'Renamed', 'Hello, you', 'bc'],
    ['', 'Renamed', 'Hello', 'bc'],
    ['rename', 'Note', 'Hello', 'abc'],
  ]);
  await reload(ada, key);
  await findNote(ada, id);
  assert.deepEqual(await show(ada), ['Renamed', 'Hello', 'bc']);
  const both = await ada.run(() => {
    const { undo } = space.db;
    const again = [undo.nextUndo.message, undo.redo(), undo.redo(), undo.redo()];
    return [...again, note.title, `${note.body}`];
  });
  assert.deepEqual(both, ['rename', true, true, false, 'Renamed', 'Jello, you']);
});

test("O12 another person's edits survive an undo", async () => {
  const ada = await peer('Ada');
  const bob = await peer('Bob');
  await share(ada, bob);
  const id = await makeNote(ada);
  await sees(bob, { title: 'Note' });
  await findNote(bob, id);
  await ada.run(() => {
    space.db.transact(() => {
      note.title = 'Ada';
      note.done = true;
      note.body.insert(5, ' from Ada');
      note.tags.splice(1, 1);
    });
  });
  await bob.run(async () => {
    await until(() => note.title === 'Ada' && `${note.body}` === 'Hello from Ada', 'the edits of Ada');
    note.title = 'Bob';
    note.body.insert(5, ' Bob,');
    note.tags.push('d');
    await space.db.flush();
  });
  await ada.run(async () => {
    await until(() => note.title === 'Bob' && `${note.body}`.includes('Bob,'), 'the edits of Bob');
    await until(() => note.tags.length === 3, 'the tag of Bob');
    space.db.undo.undo();
    await space.db.flush();
  });
  const want = ['Bob', 'Hello Bob,', 'abcd', false];
  for (const who of [ada, bob]) {
    const got = await who.run(async () => {
      await until(() => !('done' in note) && note.tags.length === 4, 'the undo');
      return [note.title, `${note.body}`, note.tags.join(''), 'done' in note];
    });
    assert.deepEqual(got, want);
  }
  await bob.run(async () => {
    space.db.undo.undo();
    await space.db.flush();
  });
  await ada.run(() => until(() => note.title === 'Ada' && note.tags.length === 3, 'the undo of Bob'));
  assert.deepEqual(await show(ada), ['Ada', 'Hello', 'abc']);
});

test('O12 each tab undoes what it did itself', async () => {
  const one = await peer('Ada');
  const key = await createSpace(one);
  const id = await makeNote(one);
  const { context } = one;
  const two = await peer('Ada', { context, identity: false });
  await two.run(async (key) => {
    globalThis.space = await until(() => client.getSpace(key), 'the space');
  }, key);
  await findNote(two, id);
  await two.run(async () => {
    note.body.append(' two');
    await space.db.flush();
  });
  await one.run(async () => {
    await until(() => `${note.body}` === 'Hello two', 'the edit of the other tab');
    note.body.insert(0, 'one ');
    await space.db.flush();
    space.db.undo.undo();
    if (space.db.undo.undo()) throw new Error('it undid what the other tab did');
    await space.db.flush();
  });
  assert.deepEqual(await show(one), ['Note', 'Hello two', 'abc']);
  await two.run(() => until(() => `${note.body}` === 'Hello two', 'the undo'));
  assert.equal(await two.run(() => space.db.undo.undo()), true);
  assert.deepEqual(await show(two), ['Note', 'Hello', 'abc']);
});
