// What callers can and cannot write about types of objects.

import {
  defineType,
  type InputOf,
  type Live,
  type ObjectType,
  type OutputOf,
  type Problem,
  type Query,
  type Space,
  type StandardSchema,
  Text,
} from '@echospace/client';
import { z } from 'zod';

const taskSchema = z.object({
  title: z.string(),
  done: z.boolean().default(false),
  rank: z.number().optional(),
  body: z.instanceof(Text),
  tags: z.array(z.object({ name: z.string() })),
});
const Task = defineType('task', taskSchema);
type Task = z.output<typeof taskSchema>;

const byHand: StandardSchema<{ x: number; y?: number }, { x: number; y: number }> = {
  '~standard': { version: 1, vendor: 'by hand', validate: (value) => ({ value: value as { x: 1; y: 1 } }) },
};
const Point: ObjectType<{ x: number; y?: number }, { x: number; y: number }> = defineType('point', byHand);

export const input: InputOf<typeof byHand> = { x: 1 };
export const output: OutputOf<typeof byHand> = { x: 1, y: 2 };

export const Task2 = defineType('task', z.object({ state: z.enum(['open', 'done']) }), {
  version: 2,
  migrate: { 1: (old) => ({ ...old, state: old.done ? 'done' : 'open' }) },
});

export function objects(space: Space): void {
  const task = space.db.add(Task.create({ title: 'x', body: new Text(), tags: [] }));
  const same: Live<Task> = task;
  const done: boolean = task.done;
  const rank: number | undefined = task.rank;
  const id: string = task.id;
  task.body.append('x');
  task.tags.push({ name: 'a' });
  delete task.rank;
  // @ts-expect-error a title is a string
  task.title = 5;
  // @ts-expect-error there is no such property
  task.titel = 'x';
  // @ts-expect-error a tag has a name
  task.tags.push('a');
  // @ts-expect-error the title is missing
  Task.create({ body: new Text(), tags: [] });
  const y: number = Point.create({ x: 1 }).y;
  const problems: readonly Problem[] = Task.problems(task);
  void [same, done, rank, id, y, problems];
}

export function guards(space: Space, value: unknown): string | undefined {
  const object = space.db.get('00');
  if (Task.is(object)) return object.title;
  // @ts-expect-error it was not asked whether it is a point
  if (value?.x === 1) return undefined;
  return Point.is(value) ? String(value.x) : undefined;
}

export function queries(space: Space): Query<{ x: number; y: number }> {
  const titles: string[] = space.db.query(Task, { done: false }).objects.map((task) => task.title);
  space.db.query(Task, (task) => task.title > 'a', { order: 'title', limit: 3 });
  space.db.query(Task, { rank: { $gt: 1 }, body: { $contains: 'x' } });
  space.db.query(Task).subscribe(({ added }) => added.map((task) => task.done));
  // @ts-expect-error there is no such property
  space.db.query(Task, { titel: 'a' });
  // @ts-expect-error a title is compared with strings
  space.db.query(Task, { title: { $gt: 5 } });
  // @ts-expect-error a task has no x
  space.db.query(Task).objects.map((task) => task.x);
  // @ts-expect-error a schema of objects is wanted
  defineType('name', z.string());
  // @ts-expect-error there is no such option
  defineType('task', taskSchema, { versions: 2 });
  void titles;
  return space.db.query(Point, { x: { $gte: 1 } });
}
