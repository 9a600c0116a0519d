/** What shortenBranches has to know of a program. */
export interface Functions {
  /** The number of the first. */
  entry: number;
  functions: { name: string; deferreturn: number }[];
}

export function foldFunctions(memory: Buffer): { code: Buffer; names: string; program: Functions };
export function letters(number: number): string;
