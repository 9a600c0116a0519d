// Reads the code of functions of a WebAssembly module, as far as Go uses it.

import { END } from './module.mjs';

export const OP = {
  ...{ unreachable: 0x00, nop: 0x01, block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: END },
  ...{ br: 0x0c, brIf: 0x0d, brTable: 0x0e, return: 0x0f, call: 0x10, callIndirect: 0x11 },
  ...{
    drop: 0x1a,
    select: 0x1b,
    localGet: 0x20,
    localSet: 0x21,
    localTee: 0x22,
    globalGet: 0x23,
    globalSet: 0x24,
  },
  ...{ i32Load: 0x28, i64Store: 0x37, i64Store32: 0x3e, memorySize: 0x3f, memoryGrow: 0x40 },
  ...{ i32Const: 0x41, i64Const: 0x42, f32Const: 0x43, f64Const: 0x44, i32Eqz: 0x45, i32Sub: 0x6b },
  ...{ i64ExtendSigned32: 0xc4, more: 0xfc },
};

/** The type of a block without parameters and results. */
export const NOTHING = 0x40;

/** How many bytes follow an instruction whose operands are of no interest here, or how to pass them. */
const PASSES = new Map([
  ...[OP.unreachable, OP.nop, OP.else, OP.end, OP.return, OP.drop, OP.select].map((op) => [op, () => 0]),
  ...[OP.block, OP.loop, OP.if, OP.memorySize, OP.memoryGrow].map((op) => [op, (reader) => reader.slice(1)]),
  [OP.f32Const, (reader) => reader.slice(4)],
  [OP.f64Const, (reader) => reader.slice(8)],
  [OP.brTable, readTargets],
  [OP.more, passMore],
]);

/** Passes one of the instructions of two bytes: truncations without traps, and copies and fills of memory. */
function passMore(reader) {
  const operands = { 10: 2, 11: 1 };
  const op = reader.uint();
  if (op > 7 && !(op in operands)) throw new Error(`instruction fc ${op}: none that Go writes`);
  reader.slice(operands[op] ?? 0);
}

/** The labels of a br_table, the default behind the others. */
export function readTargets(reader) {
  return Array.from({ length: reader.uint() + 1 }, () => reader.uint());
}

/** An instruction: its opcode, the number that belongs to it, where it begins and ends, and what its reader notes of it. */
class Instruction {
  constructor(op, value, at, end) {
    this.op = op;
    this.value = value;
    this.at = at;
    this.end = end;
    this.depth = 0;
    this.closed = 0;
    this.closes = -1;
    this.code = undefined;
  }
}

/** Reads an instruction. */
export function readInstruction(reader) {
  const at = reader.at;
  const op = reader.byte();
  let value = 0;
  if (op >= OP.i32Eqz && op <= OP.i64ExtendSigned32) return new Instruction(op, value, at, reader.at);
  if (op >= OP.localGet && op <= OP.globalSet) value = reader.uint();
  else if (op >= OP.i32Load && op <= OP.i64Store32) {
    reader.uint(); // alignment
    value = reader.uint();
  } else if (op === OP.i32Const || op === OP.i64Const) value = reader.int();
  else if (op === OP.br || op === OP.brIf || op === OP.call) value = reader.uint();
  else if (op === OP.callIndirect) {
    value = reader.uint();
    reader.uint(); // the table
  } else {
    const pass = PASSES.get(op);
    if (!pass) throw new Error(`instruction ${op.toString(16)} at ${at}: none that Go writes`);
    pass(reader);
  }
  return new Instruction(op, value, at, reader.at);
}

/** Passes the declaration of a function's locals. */
export function passLocals(reader) {
  for (let groups = reader.uint(); groups > 0; groups--) {
    reader.uint();
    reader.byte();
  }
}
