import { EchospaceError } from '../errors.js';
import { current, Definition, type Migration, type Problem, register } from './definition.js';
import { type Live, ObjectNode, objectNodeOf } from './live.js';
import { type InputOf, isStandardSchema, type OutputOf, type StandardSchema } from './standardschema.js';
import { checkKey } from './values.js';

/** How a type has changed over time. */
export interface TypeOptions {
  /** A whole number from 1, which is the default, to 65,535: raise it with every change of the schema. */
  version?: number;
  /**
   * By version: what makes an object of the next one of an object of that one.
   * It gets a copy, and must give the same for the same. Where one is missing the
   * object stays as it is, but for the defaults of the schema.
   *
   * Pages with an older version of the type find what they know if it is kept:
   * `{ ...old, state: … }`. Two devices may store a migration of one object at the
   * same time; what they make at one place is merged as always, so that a list
   * then has the items of both, a text the characters, a counter the sum. Let
   * these begin empty, or keep those that are there.
   */
  migrate?: { readonly [version: number]: Migration };
}

/**
 * A type of objects, made by {@link defineType}.
 *
 * @typeParam Input - What objects are made of: properties with defaults may be left out.
 * @typeParam Output - What objects hold.
 */
export class ObjectType<Input extends object, Output extends object> {
  readonly #definition: Definition;

  /** @internal */
  constructor(definition: Definition) {
    this.#definition = definition;
  }

  /** The name by which the type is known in all spaces. */
  get name(): string {
    return this.#definition.name;
  }

  get version(): number {
    return this.#definition.version;
  }

  /**
   * Makes an object, to be added to a database, of what the schema makes of the
   * input. A property that comes out undefined is left out.
   *
   * @throws INVALID_ARGUMENT naming the property (`path`) and what is wrong
   *   (`problems`), and for a schema that is asynchronous or does not accept what
   *   it gives; UNSUPPORTED_VALUE for what no object can hold.
   */
  readonly create = (input: Input): Live<Output> => {
    const { definition } = this;
    return ObjectNode.ofType(definition.name, definition.version, definition.create(input))
      .proxy as Live<Output>;
  };

  /** Tells whether a value is a live object of this type, of whatever version. */
  readonly is = (value: unknown): value is Live<Output> => {
    const node = objectNodeOf(value);
    node?.ensureRead();
    return node?.type === this.name;
  };

  /**
   * What is wrong with an object of this type as it is now: what others have
   * written, and merges, are never refused. Empty if there is nothing.
   *
   * @throws INVALID_ARGUMENT for anything but an object of this type.
   */
  problems(object: object): readonly Problem[] {
    if (!this.is(object))
      throw new EchospaceError('INVALID_ARGUMENT', `problems: this is no object of the type ${this.name}`);
    const node = objectNodeOf(object) as ObjectNode;
    // What it refers to may have arrived since.
    if (node.view) node.view.generation = -1;
    node.ensureLoaded();
    return node.view?.problems ?? [];
  }

  /** @internal */
  get definition(): Definition {
    return current(this.#definition) ?? this.#definition;
  }
}

/**
 * Defines a type of objects by a schema: any validator that follows Standard
 * Schema, such as those of zod, valibot and arktype.
 *
 * ```ts
 * const Task = defineType('task', z.object({ title: z.string(), done: z.boolean().default(false) }));
 * const task = space.db.add(Task.create({ title: 'Water the plants' }));
 * space.db.query(Task, { done: false });
 * ```
 *
 * Objects of the type are validated when they are made and after each edit, or
 * at the end of the transaction that edits them; what does not fit is refused
 * whole. Of a property that is set the schema's output is stored; edits inside of
 * nested maps and lists are checked only, and those of texts not even that. The
 * schema must be synchronous, and accept what it gives.
 *
 * The schema gets plain copies of maps and lists; texts, counters, dates and bytes
 * as what they are (`z.instanceof(Text)`), and other live objects too. A schema
 * that gives these back keeps the reference: `z.custom<Live<Person>>(Person.is)`;
 * one that makes an object of its own has that stored instead.
 *
 * Definitions are code of the page and are not replicated: defining a name again
 * replaces the definition wherever it is used, and objects that come from others
 * are shown whatever is wrong with them. An object of an older version shows what
 * `migrate` makes of it; that is stored with the first edit. One that lacks a
 * property shows the schema's default. An object of a newer version shows what
 * is stored.
 *
 * @param name - The same in all pages of a space, and in all versions.
 * @throws INVALID_ARGUMENT for what is no Standard Schema of version 1, for a
 *   version or migration that cannot be, and if this page defines a newer version.
 */
export function defineType<S extends StandardSchema<object, object>>(
  name: string,
  schema: S,
  { version = 1, migrate = {} }: TypeOptions = {},
): ObjectType<InputOf<S>, OutputOf<S>> {
  if (typeof name !== 'string' || name === '') throw invalid(`${String(name)} is no name of a type`);
  checkKey([name], name);
  if (!isStandardSchema(schema))
    throw invalid(`the schema of ${name} is no Standard Schema of version 1: it has no ~standard.validate`);
  if (!isWhole(version, 65_535))
    throw invalid(`version ${version} of ${name}; want a whole number from 1 on`);
  for (const [from, step] of Object.entries(migrate)) {
    if (!isWhole(Number(from), version - 1) || typeof step !== 'function')
      throw invalid(`migrate[${from}] of ${name}; want functions by versions before ${version}`);
  }
  const definition = new Definition(name, version, schema, { ...migrate });
  register(definition);
  return new ObjectType(definition);
}

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most;
}

function invalid(message: string): EchospaceError {
  return new EchospaceError('INVALID_ARGUMENT', `defineType: ${message}`);
}
