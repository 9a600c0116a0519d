/**
 * What every validator that follows Standard Schema (standardschema.dev, version
 * 1) has: zod, valibot, arktype and others.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    /** Who made the validator. */
    readonly vendor: string;
    /** Gives the value as the schema wants it, or what is wrong with it. */
    validate(value: unknown): StandardResult<Output> | Promise<StandardResult<Output>>;
    /** Of use to the compiler only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The outcome of a validation: without issues it succeeded. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** What is wrong with a value, and where in it. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema takes. */
export type InputOf<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];

/** What a schema gives. */
export type OutputOf<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

/** Tells whether a value is a validator of the version that is known here. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if (typeof value !== 'function' && (typeof value !== 'object' || value === null)) return false;
  const standard = (value as Partial<StandardSchema>)['~standard'];
  return standard?.version === 1 && typeof standard.validate === 'function';
}
