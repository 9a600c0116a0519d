export function foldFunctions(memory: Buffer): { code: Buffer; names: string };
export function letters(number: number): string;
