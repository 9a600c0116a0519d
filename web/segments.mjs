// Joins the data segments of a WebAssembly module. Go's linker leaves out every
// run of zeros, however short, which gives tens of thousands of segments whose
// offsets compress badly: a seventh of the whole download.

/** Up to so many zeros in a segment are written out; a compressor makes nothing of them. */
const MAX_GAP = 64;

const TYPE_SECTION = 1;
const IMPORT_SECTION = 2;
const FUNCTION_SECTION = 3;
const START_SECTION = 8;
const CODE_SECTION = 10;
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

/** Cuts what the segments hold, which `memory` is, anew: at runs of zeros, and nowhere else. */
function cut(segments, memory) {
  const joined = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const { start, bytes } of segments.toSorted((a, b) => a.start - b.start)) {
    let from = start;
    while (from < start + bytes.length) {
      // Zeros need not be there, since memory starts as zeros.
      while (from < start + bytes.length && memory[from] === 0) from++;
      let to = from;
      for (let at = from; at < start + bytes.length && at - to <= MAX_GAP; at++)
        if (memory[at] !== 0) to = at + 1;
      if (to === from) break;
      if (from - end <= MAX_GAP) joined.at(-1).end = Math.max(end, to);
      else joined.push({ start: from, end: to });
      end = joined.at(-1).end;
      from = to;
    }
  }
  return joined.map(({ start, end }) => ({ start, bytes: memory.subarray(start, end) }));
}

function writeSegments(segments) {
  const parts = [uint(segments.length)];
  for (const { start, bytes } of segments) {
    parts.push(Buffer.from([0, I32_CONST]), address(start), Buffer.from([END]), uint(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

/** The sections of a module, in order: [id, body]. */
function readSections(module) {
  const reader = new Reader(module);
  const magic = reader.slice(8); // and version
  const sections = [];
  while (reader.at < module.length) sections.push([reader.byte(), reader.slice(reader.uint())]);
  return { magic, sections };
}

/** A vector with one element more, and how many there were. */
function appended(vector, element) {
  const reader = new Reader(vector);
  const count = reader.uint();
  return { count, body: Buffer.concat([uint(count + 1), vector.subarray(reader.at), element]) };
}

/** How many functions a module imports. */
function importedFunctions(section) {
  const reader = new Reader(section);
  let functions = 0;
  for (let n = reader.uint(); n > 0; n--) {
    reader.slice(reader.uint());
    reader.slice(reader.uint());
    reader.expect(0, 'an imported function');
    reader.uint();
    functions++;
  }
  return functions;
}

/** Adds a function without parameters and results, which runs when the module is instantiated. */
function addStart(sections, code) {
  const find = (id) => sections.find(([other]) => other === id);
  if (find(START_SECTION)) throw new Error('the module has a start function already');
  const type = appended(find(TYPE_SECTION)[1], Buffer.from([0x60, 0, 0]));
  const declared = appended(find(FUNCTION_SECTION)[1], uint(type.count));
  const coded = appended(find(CODE_SECTION)[1], Buffer.concat([uint(code.length), code]));
  const index = importedFunctions(find(IMPORT_SECTION)[1]) + declared.count;
  find(TYPE_SECTION)[1] = type.body;
  find(FUNCTION_SECTION)[1] = declared.body;
  find(CODE_SECTION)[1] = coded.body;
  const behind = sections.findIndex(([id]) => id > START_SECTION);
  sections.splice(behind, 0, [START_SECTION, uint(index)]);
}

/**
 * Gives the module with neighbouring data segments joined, and without zeros.
 * Memory starts as zeros, so it holds the same after instantiation, but for what
 * `edit` changes in it: that gets the memory from address 0 and may change what
 * is in a segment. It may give the code of a function that is to run when the
 * module is instantiated: its locals and instructions.
 */
export function joinSegments(module, edit) {
  const { magic, sections } = readSections(module);
  const data = sections.find(([id]) => id === DATA_SECTION);
  const segments = readSegments(data[1]);
  const memory = memoryOf(segments);
  const start = edit?.(memory);
  data[1] = writeSegments(cut(segments, memory));
  if (start) addStart(sections, start);
  const parts = sections.flatMap(([id, body]) => [Buffer.from([id]), uint(body.length), body]);
  return Buffer.concat([magic, ...parts]);
}
