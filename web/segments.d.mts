export function joinSegments(
  module: Uint8Array,
  // biome-ignore lint/suspicious/noConfusingVoidType: most edits give nothing.
  edit?: (memory: Buffer) => Buffer | void,
): Buffer<ArrayBuffer>;
