// Joins the data segments of a WebAssembly module. Go's linker leaves out every
// run of zeros, however short, which gives tens of thousands of segments whose
// offsets compress badly: a seventh of the whole download.

/** Up to so many zeros between two segments are written out; a compressor makes nothing of them. */
const MAX_GAP = 64;

const DATA_SECTION = 11;
const I32_CONST = 0x41;
const END = 0x0b;

/** Reads a module's bytes in order. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  byte() {
    return this.bytes[this.at++];
  }

  expect(byte, what) {
    if (this.byte() !== byte) throw new Error(`byte ${this.at - 1} of the module: expected ${what}`);
  }

  /** An unsigned integer in LEB128. */
  uint() {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const b = this.byte();
      value += (b & 127) * factor;
      if (b < 128) return value;
    }
  }

  /** A 32-bit integer in signed LEB128, as the address that it stands for. */
  address() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const b = this.byte();
      value |= (b & 127) << shift;
      if (b < 128) return (b & 64 && shift < 25 ? value | (-1 << (shift + 7)) : value) >>> 0;
    }
  }

  slice(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** value, at least 0, in LEB128. */
function uint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}

/** An address as i32.const takes it. */
function address(value) {
  const bytes = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const low = rest & 127;
    if (rest >> 6 === 0 || rest >> 6 === -1) return Buffer.from([...bytes, low]);
    bytes.push(low | 128);
  }
}

/** The active segments of memory 0, which is all that Go writes. */
function readSegments(section) {
  const reader = new Reader(section);
  return Array.from({ length: reader.uint() }, () => {
    reader.expect(0, 'an active segment of memory 0');
    reader.expect(I32_CONST, 'i32.const');
    const start = reader.address();
    reader.expect(END, 'end');
    return { start, bytes: reader.slice(reader.uint()) };
  });
}

/** What the segments make of the memory, from address 0. */
function memoryOf(segments) {
  const memory = Buffer.alloc(Math.max(0, ...segments.map(({ start, bytes }) => start + bytes.length)));
  for (const { start, bytes } of segments) memory.set(bytes, start);
  return memory;
}

function join(segments) {
  const joined = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const { start, bytes } of segments) {
    const gap = start - end;
    if (gap >= 0 && gap <= MAX_GAP) joined.at(-1).parts.push(Buffer.alloc(gap), bytes);
    else joined.push({ start, parts: [bytes] });
    end = start + bytes.length;
  }
  return joined;
}

function writeSegments(segments) {
  const parts = [uint(segments.length)];
  for (const s of segments) {
    const bytes = Buffer.concat(s.parts);
    parts.push(Buffer.from([0, I32_CONST]), address(s.start), Buffer.from([END]), uint(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

/** Gives the segments with what `edit` makes of the memory, inside of them. */
function edited(segments, edit) {
  if (!edit) return segments;
  const memory = memoryOf(segments);
  edit(memory);
  return segments.map(({ start, bytes }) => ({ start, bytes: memory.subarray(start, start + bytes.length) }));
}

/**
 * Gives the module with neighbouring data segments joined. Memory starts as
 * zeros, so it holds the same after instantiation, but for what `edit` changes
 * in it: that gets the memory from address 0 and may change what is in a segment.
 */
export function joinSegments(module, edit) {
  const reader = new Reader(module);
  const parts = [reader.slice(8)]; // magic and version
  while (reader.at < module.length) {
    const id = reader.byte();
    const section = reader.slice(reader.uint());
    const body = id === DATA_SECTION ? writeSegments(join(edited(readSegments(section), edit))) : section;
    parts.push(Buffer.from([id]), uint(body.length), body);
  }
  return Buffer.concat(parts);
}
