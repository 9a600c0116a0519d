// Makes the functions of a Go program for WebAssembly smaller and faster. Go's
// compiler cuts each into pieces, at whose beginnings it can be entered anew after
// a goroutine had to wait, and goes from piece to piece through the table at the
// function's head that this takes:
//
//	block loop block block … br_table end, piece 0, end, piece 1, end …
//
// Here a jump forwards leaves the block that ends where it goes to. The table
// keeps the pieces that are entered from outside or jumped back to, and no block
// is left for others. What differs at every place and says little becomes the
// same everywhere, for the compressor: how many blocks lie around a return, and
// the calls that report nil.

import { NOTHING, OP, passLocals, readInstruction, readTargets } from './instructions.mjs';
import {
  addFunction,
  END,
  ID,
  importedFunctions,
  Reader,
  readSections,
  uint,
  writeSections,
} from './module.mjs';

/** The parameter of a function, which says at which pc to enter it; the local and the global variable of the stack pointer. */
const [PC, SP, GLOBAL_SP] = [0, 1, 0];

const PCS = 65536; // of a function

const [I32, I64] = [0x7f, 0x7e];

/** What a function returns so that its caller returns, too, and the goroutine waits. */
const UNWIND = [OP.i32Const, 1, OP.return];

function want(holds, what) {
  if (!holds) throw new Error(`${what}: not code that this script knows`);
}

/** Whether the instructions from `from` on are these: opcodes, or opcodes and numbers. */
function matches(list, from, pattern) {
  return pattern.every(([op, value], i) => {
    const found = list[from + i];
    return found?.op === op && (value === undefined || found.value === value);
  });
}

const JUMP = [[OP.i32Const], [OP.localSet, PC], [OP.br]];
const INDIRECT_CALL = [[OP.localSet, PC], [OP.i32Const, 0], [OP.localGet, PC], [OP.callIndirect]];

/** Puts a return address on the stack, which is the sixth of these. */
const PUSH = [
  ...[[OP.localGet, SP], [OP.i32Const, 8], [OP.i32Sub], [OP.localTee, SP], [OP.globalSet, GLOBAL_SP]],
  ...[[OP.localGet, SP], [OP.i64Const], [OP.i64Store, 0]],
];
const ADDRESS = 6;
const CALL = [[OP.i32Const, 0], [OP.call]];

/** What follows where nil was met: sigpanic never comes back to this place. */
const panic = (sigpanic) => [
  ...[[OP.i32Const, 0], [OP.call, sigpanic], [OP.globalGet, GLOBAL_SP], [OP.localSet, SP], [OP.brIf]],
];

/** The code of a function that takes a return address, calls sigpanic as if from there, and gives what that returns. */
function reportNil(sigpanic) {
  const lowered = [OP.globalGet, GLOBAL_SP, OP.i32Const, 8, OP.i32Sub, OP.globalSet, GLOBAL_SP];
  const stored = [OP.globalGet, GLOBAL_SP, OP.localGet, 0, OP.i64Store, 3, 0];
  return Buffer.from([0, ...lowered, ...stored, OP.i32Const, 0, OP.call, ...uint(sigpanic), END]);
}

/**
 * Reads the head of a function: what lies around its code, from outside in, and
 * which piece the table has for a pc. Functions without pieces have no such head.
 */
function readHead(body) {
  const reader = new Reader(body);
  passLocals(reader);
  const is = (...bytes) => bytes.every((byte, i) => body[reader.at + i] === byte);
  if (!is(OP.globalGet, GLOBAL_SP, OP.localSet, SP)) return;
  reader.slice(4);
  const start = reader.at;
  const around = [];
  for (; is(OP.block, NOTHING) || is(OP.loop, NOTHING); reader.slice(2)) around.push(body[reader.at]);
  if (!is(OP.localGet, PC, OP.brTable)) return;
  reader.slice(3);
  const table = readTargets(reader);
  reader.expect(END, 'the end of a table');
  const pieces = table.at(-1) + 1;
  const loop = around.indexOf(OP.loop);
  const outside = around.length - pieces - (loop >= 0 ? 1 : 0);
  want(loop === -1 || loop === outside, 'a loop');
  want(outside === 0 || outside === 1, `${outside} blocks outside`);
  return { start, table, pieces, loop: loop >= 0, outside, code: reader.at };
}

/** A function with pieces, and what becomes of it. */
class Pieces {
  constructor(body, head) {
    this.body = body;
    this.head = head;
    /** Blocks around the code, from the innermost, which ends where piece 0 begins; those of pieces come first. */
    this.around = head.pieces + (head.loop ? 1 : 0) + head.outside;
    /** Pieces that the table has to enter, those that branches go to, and whether some jump goes back. */
    this.entered = new Set([0]);
    this.reached = new Set();
    this.back = false;
    this.list = this.read();
  }

  /** The instructions, with how many blocks are around each: within its piece, and of those around the code already closed. */
  read() {
    const reader = new Reader(this.body);
    reader.slice(this.head.code);
    const list = [];
    let [depth, closed] = [0, 1];
    while (reader.at < this.body.length) {
      const instruction = readInstruction(reader);
      const { op } = instruction;
      const closes = op === OP.end && depth === 0 ? closed : -1;
      if (op === OP.end && depth > 0) depth--;
      instruction.depth = depth;
      instruction.closed = closed;
      instruction.closes = closes;
      list.push(instruction);
      if (closes >= 0) closed++;
      if (op === OP.block || op === OP.loop || op === OP.if) depth++;
    }
    want(closed === this.around + 1, 'the end of a function');
    return list;
  }

  /** The piece that begins at a pc. */
  piece(pc) {
    const { table } = this.head;
    return table[Math.min(pc, table.length - 1)];
  }

  /** Writes `code` instead of `count` instructions from the one at `at` on. */
  replace(at, count, code) {
    for (let i = at; i < at + count; i++) this.list[i].code = () => [];
    this.list[at].code = code;
  }

  /** Looks at the branch at `at`: a jump to a piece, a return to let the goroutine wait, or one within a piece. */
  branch(at) {
    const { op, value, depth, closed } = this.list[at];
    if (value < depth) return;
    const target = closed + value - depth;
    const { pieces, loop } = this.head;
    if (op === OP.br && loop && target === pieces) this.jump(at);
    else {
      want(op === OP.brIf && target === this.around - 1 && target >= pieces, 'a branch');
      this.replace(at, 1, () => [OP.if, NOTHING, ...UNWIND, END]);
    }
  }

  /** Looks at the branch at `at` to the loop around all pieces: forwards it becomes one to where its piece begins. */
  jump(at) {
    const { list } = this;
    want(matches(list, at - 2, JUMP), 'a jump');
    const piece = this.piece(list[at - 2].value);
    if (piece < list[at].closed) {
      this.entered.add(piece);
      this.back = true;
      list[at].code = () => [OP.br, ...this.label(list[at], this.head.pieces)];
      return;
    }
    this.reached.add(piece);
    if (list[at - 3]?.op === OP.if && list[at + 1].op === OP.end)
      this.replace(at - 3, 5, () => [OP.brIf, ...this.label(list[at - 3], piece)]);
    else this.replace(at - 2, 3, () => [OP.br, ...this.label(list[at], piece)]);
  }

  /**
   * Looks at the return address that is put on the stack from `at` on: the function
   * is entered there, unless it reports nil. Where in the function that is
   * interests only lines of traces, which the module has not: the frame is as large
   * at all of these, and the collector looks at it as it is at deferreturn, or not.
   */
  push(at, { number, sigpanic, report }) {
    const address = this.list[at + ADDRESS];
    if (Math.floor(address.value / PCS) !== number) {
      want(!matches(this.list, at + PUSH.length, CALL), 'a return address');
      return; // what the function keeps in its frame
    }
    const panics = panic(sigpanic);
    if (!matches(this.list, at + PUSH.length, panics)) {
      this.entered.add(this.piece(address.value % PCS));
      return;
    }
    this.nil ??= this.body.subarray(address.at, address.end);
    this.replace(at, PUSH.length + panics.length, () => [...this.nil, OP.call, ...uint(report), OP.return]);
  }

  /** Looks at all instructions. `context` has the function's number, those of sigpanic and of what calls it, and where the runtime goes on by itself. */
  look(context) {
    for (const pc of context.resumes) this.entered.add(this.piece(pc));
    for (let at = 0; at < this.list.length; at++) {
      const { op, value, code } = this.list[at];
      if (code) continue;
      if (op === OP.br || op === OP.brIf) this.branch(at);
      else if (op === OP.brTable) want(false, 'a second table');
      else if (op === OP.localGet && value === PC) want(matches(this.list, at - 2, INDIRECT_CALL), 'a pc');
      else if (op === OP.localGet && matches(this.list, at, PUSH)) this.push(at, context);
    }
    const kept = (block) =>
      block === 0 ? this.entered.size > 1 : this.entered.has(block) || this.reached.has(block);
    this.kept = Array.from({ length: this.around }, (_, i) =>
      i < this.head.pieces ? kept(i) : i === this.head.pieces && this.back,
    );
    this.inside = [0]; // for each block around, how many are left of those inside of it
    for (const is of this.kept) this.inside.push(this.inside.at(-1) + (is ? 1 : 0));
  }

  /** The label of a block around the code, for an instruction. */
  label({ depth, closed }, block) {
    return uint(depth + this.inside[block] - this.inside[closed]);
  }

  /** The table, in which pcs at which nobody enters have any piece. */
  table() {
    if (this.entered.size === 1) return [];
    const entered = [...this.entered].sort((a, b) => a - b);
    const targets = this.head.table.map((piece) => entered.find((other) => other >= piece) ?? entered.at(-1));
    while (targets.length > 1 && targets.at(-1) === targets.at(-2)) targets.pop();
    const labels = targets.flatMap((piece) => [...uint(this.inside[piece])]);
    return [OP.localGet, PC, OP.brTable, ...uint(targets.length - 1), ...labels, END];
  }

  /** The function anew. */
  write() {
    const { body, head, inside } = this;
    const loop = this.back ? [OP.loop, NOTHING] : [];
    const blocks = Array.from({ length: inside[head.pieces] }, () => [OP.block, NOTHING]).flat();
    const out = [body.subarray(0, head.start), Buffer.from([...loop, ...blocks, ...this.table()])];
    let from = head.code; // what is copied next
    for (const { at, end, closes, code } of this.list) {
      const gone = closes >= 0 && closes < this.around && !this.kept[closes];
      if (!code && !gone) continue;
      out.push(body.subarray(from, at));
      if (code) out.push(Buffer.from(code()));
      from = end;
    }
    return Buffer.concat([...out, body.subarray(from)]);
  }
}

function shorten(body, context) {
  const head = readHead(body);
  if (!head) return body;
  const pieces = new Pieces(body, head);
  pieces.look(context);
  return pieces.write();
}

/**
 * Gives the module with its functions rewritten. It does what it did, but that
 * traces name no place in a function where nil was met.
 *
 * @param program what readFunctions says of it: the number of its first function, and the names and deferreturn of all.
 */
export function shortenBranches(module, { entry, functions }) {
  const { magic, sections } = readSections(module);
  const find = (id) => sections.find(([other]) => other === id);
  const imported = importedFunctions(find(ID.import)[1]);
  const sigpanic = imported + functions.findIndex(({ name }) => name === 'runtime.sigpanic');
  want(sigpanic >= imported, 'a program without sigpanic');
  const report = addFunction(sections, Buffer.from([0x60, 1, I64, 1, I32]), reportNil(sigpanic));
  const reader = new Reader(find(ID.code)[1]);
  const count = reader.uint();
  const out = [uint(count)];
  for (let i = 0; i < count; i++) {
    const body = reader.slice(reader.uint());
    const deferreturn = functions[i]?.deferreturn;
    const resumes = deferreturn ? [deferreturn] : [];
    const written = shorten(body, { number: entry + i, sigpanic, report, resumes });
    out.push(uint(written.length), written);
  }
  find(ID.code)[1] = Buffer.concat(out);
  return writeSections(magic, sections);
}
