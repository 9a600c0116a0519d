export function joinSegments(module: Uint8Array, edit?: (memory: Buffer) => void): Buffer<ArrayBuffer>;
