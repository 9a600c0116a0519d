// What callers can and cannot write about objects and queries.

import {
  Counter,
  EchospaceError,
  type ErrorCode,
  Expando,
  type Live,
  type MarkValue,
  type Space,
  type Text,
  Version,
} from '@echospace/client';

interface Person {
  name: string;
}

interface Task {
  title: string;
  done: boolean;
  age?: number;
  due?: Date;
  owner?: Person;
  place?: { city: string; floor: number };
}

export function objects(space: Space): void {
  const task: Live<Task> = space.db.add<Task>({ title: 'Water the plants', done: false });
  task.title = 'Water all plants';
  delete task.owner;
  const id: string = task.id;
  const found: Live<Task> | undefined = space.db.get<Task>(id);
  // @ts-expect-error a title is a string
  task.title = 1;
  // @ts-expect-error the id of an object never changes
  task.id = 'other';
  const any = new Expando({ title: 'x' });
  space.db.add(any).title = 'y';
  space.properties.name = 'Home';
  const poll = space.db.add<{ yes: Counter }>({ yes: new Counter(1) });
  poll.yes.increment();
  space.db.query<{ yes: Counter }>({ yes: { $gte: 2 } });
  // @ts-expect-error a counter is compared with numbers
  space.db.query<{ yes: Counter }>({ yes: 'two' });
  const three: number = space.db.transact(() => 3);
  void [found, three];
}

export function queries(space: Space): () => void {
  space.db.query<Task>({ done: true, age: { $gt: 5 }, place: { city: 'Bern' } });
  space.db.query<Task>({ $or: [{ title: 'a' }, { age: { $in: [1, 2] } }], $not: { done: true } });
  space.db.query<Task>((task) => task.title.startsWith('W'), { deleted: 'show' });
  // @ts-expect-error there is no such property
  space.db.query<Task>({ titel: 'a' });
  // @ts-expect-error a title is compared with strings
  space.db.query<Task>({ title: { $gt: 5 } });
  // @ts-expect-error there is no such option
  space.db.query<Task>({}, { deleted: 'maybe' });
  const query = space.db.query<Task>();
  // @ts-expect-error a result is not to be changed
  query.objects.push(undefined);
  return query.subscribe(({ objects, added }) => [...objects, ...added].map((task) => task.title));
}

export function marks(text: Text): MarkValue | undefined {
  text.format(0, 4, { bold: true, link: 'x', font: { size: 12 }, italic: null }, { expand: 'both' });
  text.insert(0, 'x', { bold: true });
  // @ts-expect-error a mark holds no list
  text.format(0, 4, { bold: [] });
  // @ts-expect-error there is no such end
  text.format(0, 4, { bold: true }, { expand: 'sideways' });
  text.observe(({ delta }) => delta.map((step) => ('delete' in step ? step.delete : step.attributes?.bold)));
  return text.toDelta()[0]?.attributes?.link;
}

export function indexes({ db }: Space, owner: Live<Person>): number {
  db.createIndex('title');
  db.createIndex(['owner', { by: ['place', 'city'], descending: true }]);
  db.createIndex({ search: ['title', ['place', 'city']] });
  db.createIndex({ items: 'tags' });
  db.dropIndex({ references: true });
  // @ts-expect-error there is no such index
  db.createIndex({ words: ['title'] });
  // @ts-expect-error an index is over named properties
  db.createIndex({ search: 'title' });
  const found: readonly Live<Task>[] = db.search<Task>('water', {
    in: ['title'],
    where: { done: true },
  }).objects;
  // @ts-expect-error a search needs the properties
  db.search<Task>('water', {});
  db.query<Task>({ title: { $search: 'water' }, $references: owner }, { order: '$relevance', limit: 3 });
  db.query<Task>({ owner: { $references: owner }, $search: { words: 'a', in: ['title'] } });
  // @ts-expect-error a search is for words
  db.query<Task>({ title: { $search: 7 } });
  const plan: 'scan' | 'index' | 'search' = db.referrers<Task>(owner, 'owner').explain().plan;
  db.query<Task>().subscribe(({ moved }) => moved.map((task) => task.title));
  void [found, plan];
  return db.query<Task>({ done: true }).count;
}

export function errors(error: unknown): number | undefined {
  if (!(error instanceof EchospaceError)) return undefined;
  const code: ErrorCode = error.code;
  // @ts-expect-error there is no such code
  if (code === 'WRONG_CODE') return 0;
  return error.code === 'WRONG_AUTH_CODE' ? error.attemptsLeft : undefined;
}

export async function past(space: Space, task: Live<Task>): Promise<void> {
  const version: Version = await space.db.version();
  const kept: string = String(version);
  const old = await space.db.at(kept);
  const was = old.get<Task>(task.id);
  const title: string | undefined = was?.title;
  // @ts-expect-error the past cannot be changed
  if (was) was.title = 'x';
  const undone: Promise<void> = space.db.restore(version, { objects: [task], message: 'back' });
  space.db.restore(task);
  const [last] = await space.db.history(task, { limit: 1 });
  const who: string | undefined = last?.displayName;
  const { changed } = await space.db.diff(version, Version.from(kept));
  const value: unknown = changed[0]?.changes[0]?.after;
  void [title, undone, who, value];
}
