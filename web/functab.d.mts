export function foldTables(memory: Buffer): Buffer;
