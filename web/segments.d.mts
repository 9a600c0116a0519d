export function joinSegments(module: Uint8Array): Buffer<ArrayBuffer>;
