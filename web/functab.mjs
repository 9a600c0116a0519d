// Leaves out of a Go program for WebAssembly what its tables of functions say
// twice. Each function has 64 KiB of program counters, so the index by which the
// runtime finds a function is 20 bytes for every 4 KiB of nothing: two megabytes
// that a division gives. Where the entries of functions lie is as regular, and of
// the places of their records and names the differences are small. A function
// that runs when the module is instantiated puts all of it back.
//
// The layout is that of Go's linker (cmd/link/internal/ld/pcln.go) and runtime
// (symtab.go), checked value by value before anything is left out.

import { findModule, findTable } from './lines.mjs';

const BUCKET = 20; // runtime.findfuncbucket
const BUCKET_PCS = 4096;
const BUCKETS_PER_FUNCTION = 16;

/** The words of runtime.moduledata that are read here. */
const MODULE = { findfunctab: 19, minpc: 20, maxpc: 21 };

function want(holds, what) {
  if (!holds) throw new Error(`${what}: not a layout that this script knows`);
}

/**
 * Takes the tables out of a program's memory, from address 0, in place. Gives
 * the code of the function that puts them back.
 */
export function foldTables(memory) {
  const table = findTable(memory);
  const word = findModule(memory, table);
  const first = table.at + table.functions;
  const entry = memory.readUInt32LE(first);
  let [record, name] = [0, 0];
  for (let i = 0; i < table.funcs; i++) {
    const at = first + 8 * i;
    const offset = memory.readUInt32LE(at + 4);
    const nameOffset = memory.readInt32LE(first + offset + 4);
    want(memory.readUInt32LE(at) === entry + i, `the entry of function ${i}`);
    want(memory.readUInt32LE(first + offset) === entry + i, `the record of function ${i}`);
    want(offset > record, `the place of function ${i}`);
    memory.writeUInt32LE(0, at);
    memory.writeUInt32LE(offset - record, at + 4);
    memory.writeUInt32LE(0, first + offset);
    memory.writeInt32LE((nameOffset - name) | 0, first + offset + 4);
    [record, name] = [offset, nameOffset];
  }
  // The last bucket is not a whole one.
  const buckets = Math.floor((word(MODULE.maxpc) - word(MODULE.minpc)) / BUCKET_PCS);
  const index = word(MODULE.findfunctab);
  for (let i = 0; i < buckets; i++) {
    const bucket = memory.subarray(index + BUCKET * i, index + BUCKET * (i + 1));
    const whole = bucket.readUInt32LE(0) === Math.floor(i / BUCKETS_PER_FUNCTION);
    want(whole && bucket.subarray(4).every((byte) => byte === 0), `bucket ${i} of the index of functions`);
    bucket.fill(0);
  }
  return unfold({ first, end: first + 8 * table.funcs, entry, index, indexEnd: index + BUCKET * buckets });
}

/** The code of a function that undoes foldTables: locals and instructions. */
function unfold({ first, end, entry, index, indexEnd }) {
  const [at, until, number, record, name, place] = [0, 1, 2, 3, 4, 5]; // locals, all i32
  const get = (local) => [0x20, local];
  const set = (local) => [0x21, local];
  const tee = (local) => [0x22, local];
  const constant = (value) => [0x41, ...signed(value)];
  const load = (offset) => [0x28, 2, offset];
  const store = (offset) => [0x36, 2, offset];
  const add = [0x6a];
  const start = (from, to, value) => [
    ...[...constant(from), ...set(at), ...constant(to), ...set(until), ...constant(value), ...set(number)],
    ...[0x03, 0x40], // loop
  ];
  const next = (step) => [
    ...[...get(number), ...constant(1), ...add, ...set(number)],
    ...[...get(at), ...constant(step), ...add, ...tee(at), ...get(until)],
    ...[0x49, 0x0d, 0, 0x0b], // i32.lt_u, br_if, end
  ];
  return Buffer.from([
    ...[1, 6, 0x7f],
    ...start(first, end, entry),
    ...[...get(at), ...get(number), ...store(0)],
    ...[...get(at), ...get(at), ...load(4), ...get(record), ...add, ...tee(record), ...store(4)],
    ...[...get(record), ...constant(first), ...add, ...tee(place), ...get(number), ...store(0)],
    ...[...get(place), ...get(place), ...load(4), ...get(name), ...add, ...tee(name), ...store(4)],
    ...next(8),
    ...start(index, indexEnd, 0),
    ...[...get(at), ...get(number), ...constant(Math.log2(BUCKETS_PER_FUNCTION)), 0x76, ...store(0)], // i32.shr_u
    ...next(BUCKET),
    0x0b,
  ]);
}

/** A 32-bit integer in signed LEB128. */
function signed(value) {
  const bytes = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const low = rest & 127;
    if (rest >> 6 === 0 || rest >> 6 === -1) return [...bytes, low];
    bytes.push(low | 128);
  }
}
