export function shortenNames(memory: Buffer): string;
