import type { Functions } from './functab.mjs';

export function shortenBranches(module: Uint8Array, program: Functions): Buffer<ArrayBuffer>;
