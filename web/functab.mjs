// Takes out of a Go program for WebAssembly what its tables of functions say for
// traces alone, or twice, which was an eighth of the whole download: lines and
// files, arguments, names, and the index of functions, which a division gives.
// The rest is written as columns of small numbers, from which a function that
// runs when the module is instantiated makes the tables that the runtime reads.
// Traces name functions by number; a file beside the module says which is which.

import { FUNC, NONE, readFunctions, want } from './golayout.mjs';
import { unfold } from './unfold.mjs';

const BUCKET = 20; // runtime.findfuncbucket
const BUCKET_PCS = 4096;

/** What follows a folded record: offsets of two tables of values and of five kinds of data. */
const [TABLES, DATAS] = [2, 5];
const RECORD = FUNC.size + 4 * (TABLES + DATAS);

/**
 * A name has the form of a method's, since the runtime looks for the receiver of
 * some; the runtime's own functions keep their prefix, by which it knows them.
 */
const RUNTIME = 'runtime.';
const RECEIVER = '(*f).';
const NAME = RUNTIME.length + RECEIVER.length + 4 + 1;

/** The last letters of a function's name: four, for sixteen bits, lowest first. */
export function letters(number) {
  return [0, 4, 8, 12].map((shift) => String.fromCharCode(97 + ((number >> shift) & 15))).join('');
}

/**
 * Folds the tables in a program's memory, from address 0, in place. Gives the code
 * of the function that unfolds them, a line for each name, the short one and the
 * long one, and of all functions their names and where deferred calls are made.
 */
export function foldFunctions(memory) {
  const tables = readFunctions(memory);
  const { functions, entry, records, names } = tables;
  want(functions.length < 1 << 16, `${functions.length} functions`);
  const longNames = memory.subarray(names.from, names.to);
  const long = functions.map(({ name }) => longNames.toString('utf8', name, longNames.indexOf(0, name)));
  clearTraced(memory, functions);
  const moved = packTables(memory, tables);
  const stream = columns([
    [
      FUNC.name,
      long.map((name, i) =>
        name === '' ? 0 : 1 + NAME * i + (name.startsWith(RUNTIME) ? 0 : RUNTIME.length - 1),
      ),
    ],
    [FUNC.args, functions.map(({ args }) => args)],
    [FUNC.deferreturn, functions.map(({ deferreturn }) => deferreturn)],
    [FUNC.pcsp, functions.map(({ pcsp }) => moved(pcsp))],
    [FUNC.tables, functions.map(() => TABLES)],
    [FUNC.kind, functions.map(({ kind }) => kind | (DATAS << 24))],
    [FUNC.size + 4, functions.map(({ stackMap }) => moved(stackMap))],
    ...Array.from({ length: DATAS }, (_, i) => [
      FUNC.size + 4 * (TABLES + i),
      functions.map(({ datas }) => datas[i]),
    ]),
  ]);
  const end = records.from + 8 * functions.length;
  want(end + 8 + RECORD * functions.length <= records.to, 'the size of records');
  const streamAt = names.from + 1 + NAME * functions.length;
  const scratch = streamAt + stream.length + 8 - ((streamAt + stream.length) % 4);
  want(scratch + 4 * functions.length <= names.to, 'the size of names');
  memory.fill(0, names.from, names.to);
  memory.fill(0, records.from, end);
  memory.fill(0, end + 8, records.to);
  memory.set(stream, streamAt);
  const buckets = clearIndex(memory, tables);
  const code = unfold({
    ...{ functions: functions.length, entry, table: records.from, record: end + 8, size: RECORD },
    ...{ names: names.from + 1, name: NAME, runtime: RUNTIME, receiver: RECEIVER },
    ...{ stream: streamAt, scratch, index: tables.index, buckets, bucket: BUCKET },
  });
  const lines = long.map(
    (name, i) => `${name.startsWith(RUNTIME) ? RUNTIME : '.'}${RECEIVER}${letters(i)} ${name}\n`,
  );
  const program = {
    entry,
    functions: functions.map(({ deferreturn }, i) => ({ name: long[i], deferreturn })),
  };
  return { code, names: lines.join(''), program };
}

/** Clears what traces alone read, but for what equals something that is needed. */
function clearTraced(memory, functions) {
  const needed = new Set();
  for (const { at, size } of functions.flatMap((f) => f.needed))
    for (let i = at; i < at + size; i++) needed.add(i);
  for (const { at, size } of functions.flatMap((f) => f.traced))
    for (let i = at; i < at + size; i++) if (!needed.has(i)) memory[i] = 0;
}

/** Writes the tables of stack sizes and pointer maps one behind the other, in the order of their use. Gives where they went. */
function packTables(memory, { functions, tables, files, tableEnd }) {
  const before = Buffer.from(memory.subarray(tables.from, tables.to));
  const places = new Map([[0, 0]]); // offset 0 says that there is no table
  let next = 1;
  const packed = [];
  for (const offset of [...functions.map((f) => f.pcsp), ...functions.map((f) => f.stackMap)]) {
    if (places.has(offset)) continue;
    packed.push(before.subarray(offset, tableEnd(offset)));
    places.set(offset, next);
    next += packed.at(-1).length;
  }
  memory.fill(0, tables.from, tables.to);
  memory.set(Buffer.concat(packed), tables.from + 1);
  memory.fill(0, files.from, files.to);
  return (offset) => places.get(offset);
}

/** Clears the index of functions. Its last bucket is not a whole one and stays. Gives how many are cleared. */
function clearIndex(memory, { index, pcs }) {
  const buckets = Math.floor(pcs / BUCKET_PCS);
  for (let i = 0; i < buckets; i++) {
    const bucket = memory.subarray(index + BUCKET * i, index + BUCKET * (i + 1));
    const whole = bucket.readUInt32LE(0) === Math.floor(i / 16); // a function has 64 KiB of pcs
    want(whole && bucket.subarray(4).every((byte) => byte === 0), `bucket ${i} of the index of functions`);
    bucket.fill(0);
  }
  return buckets;
}

/**
 * Writes columns of the records. Each: the place in a record; how many different
 * values, which follow as differences, from -1; and for each function one of these
 * by its rank, doubled, or, if no function before had one as high, how much higher
 * it is than the highest, doubled less one. Tables lie in the order of the
 * functions, so that is mostly 1. The end is a place of 255.
 */
function columns(list) {
  const out = [];
  for (const [place, values] of list) {
    const different = [...new Set(values)].sort((a, b) => a - b);
    const ranks = new Map(different.map((value, rank) => [value, rank]));
    out.push(...varint(place), ...varint(different.length));
    let before = NONE;
    for (const value of different) {
      out.push(...varint(value - before));
      before = value;
    }
    let highest = 0;
    for (const rank of values.map((value) => ranks.get(value))) {
      if (rank <= highest) out.push(...varint(2 * rank));
      else {
        out.push(...varint(2 * (rank - highest) - 1));
        highest = rank;
      }
    }
  }
  return Buffer.from([...out, ...varint(255)]);
}

/** A number below 2^32 in LEB128. */
function varint(value) {
  const bytes = [];
  let rest = value >>> 0;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return [...bytes, rest];
}
