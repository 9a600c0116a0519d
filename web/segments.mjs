// Joins the data segments of a WebAssembly module. Go's linker leaves out every
// run of zeros, however short, which gives tens of thousands of segments whose
// offsets compress badly: a seventh of the whole download.

import { addFunction, END, ID, Reader, readSections, uint, writeSections } from './module.mjs';

/** Up to so many zeros in a segment are written out; a compressor makes nothing of them. */
const MAX_GAP = 64;

const I32_CONST = 0x41;

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

/** Adds a function without parameters and results, which runs when the module is instantiated. */
function addStart(sections, code) {
  if (sections.some(([id]) => id === ID.start)) throw new Error('the module has a start function already');
  const index = addFunction(sections, Buffer.from([0x60, 0, 0]), code);
  const behind = sections.findIndex(([id]) => id > ID.start);
  sections.splice(behind, 0, [ID.start, uint(index)]);
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
  const data = sections.find(([id]) => id === ID.data);
  const segments = readSegments(data[1]);
  const memory = memoryOf(segments);
  const start = edit?.(memory);
  data[1] = writeSegments(cut(segments, memory));
  if (start) addStart(sections, start);
  return writeSections(magic, sections);
}
