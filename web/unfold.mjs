// Writes the WebAssembly that makes the tables of functions out of the columns
// that functab.mjs leaves of them.

/** A 32-bit or 64-bit integer in signed LEB128. */
function signed(value) {
  const bytes = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    const low = Number(rest & 127n);
    if (rest >> 6n === 0n || rest >> 6n === -1n) return [...bytes, low];
    bytes.push(low | 128);
  }
}

/** Locals, all i32. */
const [at, place, count, number, value, shift, byte, highest, target] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const constant = (number) => [0x41, ...signed(number | 0)];
const long = (text) => [
  0x42,
  ...signed(BigInt.asIntN(64, Buffer.from(text.padEnd(8, '\0')).readBigUInt64LE())),
];
const load = [0x28, 2, 0];
const load8 = [0x2d, 0, 0];
const store = (offset) => [0x36, 0, offset];
const storeLong = (offset) => [0x37, 0, offset];
const [add, multiply, and, or] = [[0x6a], [0x6c], [0x71], [0x72]];
const [shiftLeft, shiftRight, greater, less] = [[0x74], [0x76], [0x4b], [0x49]];

const raise = (local, by) => [...get(local), ...by, ...add, ...set(local)];

/** Runs a body at least once, and again while what it leaves on the stack is not 0. */
const repeat = (...body) => [0x03, 0x40, ...body.flat(), 0x0d, 0, 0x0b];

const when = (condition, then, otherwise) => [...condition, 0x04, 0x40, ...then, 0x05, ...otherwise, 0x0b];

/** Counts `number` up from 0 to a limit, which is not 0. */
const each = (limit, ...body) => [
  ...[...constant(0), ...set(number)],
  ...repeat(...body, raise(number, constant(1)), get(number), limit, less),
];

/** Reads the next number of the stream into `value`. */
const read = [
  ...[...constant(0), ...set(value), ...constant(0), ...set(shift)],
  ...repeat(
    [...get(at), ...load8, ...set(byte), ...raise(at, constant(1))],
    [
      ...get(value),
      ...get(byte),
      ...constant(127),
      ...and,
      ...get(shift),
      ...shiftLeft,
      ...or,
      ...set(value),
    ],
    raise(shift, constant(7)),
    [...get(byte), ...constant(127), ...greater],
  ),
];

/**
 * The code of a function without parameters and results: locals and instructions.
 *
 * @param functions how many there are, and `entry` the number of the first.
 * @param table address of pairs of a function's number and its record's offset from there; `record` that of the first record, `size` its bytes.
 * @param names address of names, each of `name` bytes: `runtime`, of eight, `receiver`, letters, 0.
 * @param stream address of the columns, and `scratch` that of free memory for the values of one.
 * @param index address of `buckets` of `bucket` bytes, each the number of the function that it lies in.
 */
export function unfold(of) {
  const element = (base, size) => [...get(number), ...constant(size), ...multiply, ...constant(base), ...add];
  const nibble = (from, to) => [
    ...[...get(number), ...constant(from), ...shiftRight, ...constant(15), ...and],
    ...[...constant(to), ...shiftLeft],
  ];
  const functions = constant(of.functions);
  const nameAndRecord = [
    [...element(of.names, of.name), ...set(target)],
    [...get(target), ...long(of.runtime), ...storeLong(0)],
    [...get(target), ...long(of.receiver), ...storeLong(of.runtime.length)],
    [
      ...get(target),
      ...nibble(0, 0),
      ...nibble(4, 8),
      ...or,
      ...nibble(8, 16),
      ...or,
      ...nibble(12, 24),
      ...or,
    ],
    [...constant(0x61616161), ...add, ...store(of.runtime.length + of.receiver.length)],
    [...element(of.table, 8), ...get(number), ...constant(of.entry), ...add, ...store(0)],
    [...element(of.table, 8), ...element(of.record - of.table, of.size), ...store(4)],
    [...element(of.record, of.size), ...get(number), ...constant(of.entry), ...add, ...store(0)],
  ];
  const values = [
    ...[...read, ...get(value), ...set(count), ...constant(-1), ...set(highest)],
    ...each(get(count), read, raise(highest, get(value)), element(of.scratch, 4), get(highest), store(0)),
  ];
  const ranks = [
    ...[...constant(0), ...set(highest)],
    ...each(
      functions,
      read,
      when(
        [...get(value), ...constant(1), ...and],
        [
          ...raise(highest, [...get(value), ...constant(1), ...add, ...constant(1), ...shiftRight]),
          ...[...get(highest), ...set(value)],
        ],
        [...get(value), ...constant(1), ...shiftRight, ...set(value)],
      ),
      [...element(of.record, of.size), ...get(place), ...add],
      [...get(value), ...constant(2), ...shiftLeft, ...constant(of.scratch), ...add, ...load, ...store(0)],
    ),
  ];
  return Buffer.from([
    ...[1, 9, 0x7f],
    ...each(functions, ...nameAndRecord),
    ...[...constant(of.stream), ...set(at), ...read, ...get(value), ...set(place)],
    ...repeat(values, ranks, read, get(value), set(place), [...get(place), ...constant(255), ...less]),
    ...each(constant(of.buckets), [
      ...element(of.index, of.bucket),
      ...get(number),
      ...constant(4),
      ...shiftRight,
      ...store(0),
    ]),
    0x0b,
  ]);
}
