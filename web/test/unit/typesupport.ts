import type { EchospaceError, StandardIssue, StandardSchema } from '@echospace/client';
import { z } from 'zod';

let names = 0;
/** A type's name that no other test uses: definitions are the whole page's. */
export const newType = () => `task-${++names}`;

export const taskSchema = z.object({
  title: z.string().min(1),
  done: z.boolean().default(false),
  rank: z.number().optional(),
});

/** A schema made by hand: the issues of a value, or what is made of it. */
export function schemaOf<Input extends object, Output extends object>(
  validate: (value: Record<string, unknown>) => StandardIssue[] | Output,
): StandardSchema<Input, Output> {
  const check = (value: unknown) => {
    const result = validate(value as Record<string, unknown>);
    return Array.isArray(result) ? { issues: result } : { value: result };
  };
  return { '~standard': { version: 1, vendor: 'by hand', validate: check } };
}

export const refused = (path: string, message = /./) => {
  return (error: EchospaceError) =>
    error.code === 'INVALID_ARGUMENT' &&
    error.path === path &&
    Array.isArray(error.problems) &&
    message.test(error.message);
};

export const json = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
