import { EchospaceError } from '../errors.js';
import { same } from './same.js';
import type { StandardIssue, StandardSchema } from './standardschema.js';
import { isPlainObject } from './values.js';

/** Names of properties that begin so are kept for bookkeeping: objects never show them. */
export const reserved = '@es:';
/** The properties that hold the name and version of an object's type. */
export const typeKey = '@es:type';
export const versionKey = '@es:version';

/** What is wrong with an object of a type. */
export interface Problem {
  /** Keys of maps and places in lists that lead to the value; empty if it is the whole object. */
  readonly path: readonly (string | number)[];
  /** As the validator puts it. */
  readonly message: string;
}

type Values = Record<string, unknown>;

/** What an object of some version is to show. */
export interface Reading {
  readonly shown: Values;
  readonly problems: readonly Problem[];
}

/** Turns an object of one version into one of the next. */
// biome-ignore lint/suspicious/noExplicitAny: only its author knows what an older version looked like.
export type Migration = (old: any) => object;

/** A type of objects as this page defines it. */
export class Definition {
  readonly name: string;
  readonly version: number;
  readonly #schema: StandardSchema;
  readonly #migrate: Readonly<Record<number, Migration>>;

  constructor(
    name: string,
    version: number,
    schema: StandardSchema,
    migrate: Readonly<Record<number, Migration>>,
  ) {
    this.name = name;
    this.version = version;
    this.#schema = schema;
    this.#migrate = migrate;
  }

  /** Validates a value. Throws what the validator throws, and INVALID_ARGUMENT if it is asynchronous. */
  validate(value: unknown): { value: unknown; problems?: undefined } | { problems: readonly Problem[] } {
    const result = this.#schema['~standard'].validate(value);
    if ('then' in result) {
      Promise.resolve(result).catch(() => undefined);
      throw new EchospaceError(
        'INVALID_ARGUMENT',
        `the type ${this.name}: its schema validates asynchronously, and objects are written synchronously; use one without asynchronous checks`,
      );
    }
    return result.issues ? { problems: result.issues.map(problemOf) } : { value: result.value };
  }

  /** Gives what is to be stored for a new object. Throws INVALID_ARGUMENT naming what is wrong. */
  create(input: unknown): Values {
    const outcome = this.validate(input);
    if (outcome.problems) throw this.refusal(outcome.problems);
    const output = outcome.value;
    if (!isPlainObject(output))
      throw this.refusal([{ path: [], message: 'the schema gives no plain object' }]);
    if (!same(output, input)) this.checkOutput(output);
    return withoutUndefined(output);
  }

  /** Refuses a schema that does not take what it gives: what is stored could never be written again. */
  checkOutput(output: unknown): void {
    const { problems } = this.validate(output);
    if (problems) throw this.refusal(problems, ', since the schema does not accept its own output');
  }

  /**
   * Gives what an object shows: migrated if it is of an older version, with the
   * defaults of what it lacks. Never throws.
   */
  read(stored: Values, version: number): Reading {
    let shown = stored;
    try {
      for (let v = Math.max(1, version); v < this.version; v++) shown = this.#step(shown, v);
      const outcome = this.validate(shown);
      if (outcome.problems) return { shown, problems: outcome.problems };
      const output = outcome.value as Values;
      // What is stored in this version was validated when it was written.
      shown = version < this.version ? { ...shown, ...output } : { ...output, ...shown };
      return { shown: withoutUndefined(shown), problems: [] };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { shown, problems: [{ path: [], message }] };
    }
  }

  #step(old: Values, version: number): Values {
    const next = this.#migrate[version]?.(old) ?? old;
    if (!isPlainObject(next)) throw new TypeError(`migrate[${version}] gave no plain object`);
    return withoutUndefined(next);
  }

  /** The refusal of an edit, or of a new object. */
  refusal(problems: readonly Problem[], why = ''): EchospaceError {
    const [first] = problems;
    const where = first && first.path.length > 0 ? `${first.path.join('.')}: ` : '';
    const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
    return new EchospaceError('INVALID_ARGUMENT', `${this.name}: ${where}${first?.message}${more}${why}`, {
      details: { path: first?.path.join('.') ?? '', problems },
    });
  }
}

function problemOf({ message, path = [] }: StandardIssue): Problem {
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step));
  return { message, path: keys.map((key) => (typeof key === 'number' ? key : String(key))) };
}

/** A property that is undefined is one that is not there. */
function withoutUndefined(values: Values): Values {
  const entries = Object.entries(values);
  if (entries.every(([, value]) => value !== undefined)) return values;
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

const definitions = new Map<string, Definition>();

/** Grows when a type is defined: what objects show may have become another. */
export let generation = 0;

/** Makes a definition the one of its name. Throws INVALID_ARGUMENT if a newer version is defined. */
export function register(definition: Definition): void {
  current(definition);
  definitions.set(definition.name, definition);
  generation++;
}

/** The definition of a name; undefined if this page has none. */
export function definitionOf(name: string): Definition | undefined {
  return definitions.get(name);
}

/** The definition that stands for another: of the same version, such as after a module was loaded again. */
export function current({ name, version }: Definition): Definition | undefined {
  const known = definitions.get(name);
  if (known && known.version > version)
    throw new EchospaceError(
      'INVALID_ARGUMENT',
      `the type ${name} is defined as version ${known.version} in this page; it cannot be used as version ${version}`,
    );
  return known;
}
