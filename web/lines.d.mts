export function stripLines(memory: Buffer): void;
