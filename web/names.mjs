// Gives the functions of a Go program for WebAssembly short names, as minifying
// does for JavaScript: only traces show them, and they are a thirtieth of the
// whole download. What they stood for goes into a file beside the module. The
// runtime looks for the prefix of its own functions, which keep their names, and
// shows in traces what has a dot.
//
// The layout is that of _func and inlinedCall in Go's runtime (runtime2.go,
// symtabinl.go).

import { endOf, findModule, findTable } from './lines.mjs';

/** Offsets in a function's record. */
const FUNC = { name: 4, npcdata: 28, nfuncdata: 43, pcdata: 44 };
const PCDATA_INL_TREE_INDEX = 2;
const FUNCDATA_INL_TREE = 3;
const INLINED_CALL = { size: 16, name: 4 };
const MODULE_GOFUNC = 40;
const NONE = 0xffffffff;

/** Shortens names in a program's memory, from address 0, in place. Gives a line for each: the short one, the long one. */
export function shortenNames(memory) {
  const table = findTable(memory);
  const names = memory.subarray(table.at + table.names, table.at + table.units);
  const before = Buffer.from(names);
  const fields = nameFields(memory, table);
  const short = new Map(); // by the offset of the long one
  const lines = [];
  let next = 1; // offset 0 is no name
  names.fill(0);
  for (const field of fields) {
    const offset = memory.readUInt32LE(field);
    if (!short.has(offset)) {
      const long = before.toString('utf8', offset, before.indexOf(0, offset));
      const name = long === '' || long.startsWith('runtime.') ? long : `.${lines.length.toString(36)}`;
      if (name !== long) lines.push(`${name} ${long}\n`);
      if (next + Buffer.byteLength(name) >= names.length)
        throw new Error('short names are longer than long ones');
      short.set(offset, next);
      next += names.write(name, next) + 1;
    }
    memory.writeUInt32LE(short.get(offset), field);
  }
  return lines.join('');
}

/** Where offsets of names stand: those of functions in their order, then those of what was inlined. */
function nameFields(memory, table) {
  const word = findModule(memory, table);
  const functions = [];
  const inlined = new Set();
  for (let i = 0; i < table.funcs; i++) {
    const record = table.at + table.functions + memory.readUInt32LE(table.at + table.functions + 8 * i + 4);
    functions.push(record + FUNC.name);
    const count = memory.readUInt32LE(record + FUNC.npcdata);
    if (count <= PCDATA_INL_TREE_INDEX || memory[record + FUNC.nfuncdata] <= FUNCDATA_INL_TREE) continue;
    const offset = memory.readUInt32LE(record + FUNC.pcdata + 4 * (count + FUNCDATA_INL_TREE));
    const index = memory.readUInt32LE(record + FUNC.pcdata + 4 * PCDATA_INL_TREE_INDEX);
    if (offset === NONE || index === 0) continue;
    const calls = greatest(memory, table.at + table.tables + index) + 1;
    for (let call = 0; call < calls; call++)
      inlined.add(word(MODULE_GOFUNC) + offset + INLINED_CALL.size * call + INLINED_CALL.name);
  }
  return [...functions, ...inlined];
}

/** The greatest value in the table at `at`, which begins with -1: pairs of a value's and a pc's change. */
function greatest(memory, at) {
  const end = endOf(memory, at);
  let next = at;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = memory[next++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  let [value, most] = [-1, -1];
  while (next < end - 1) {
    const change = varint();
    value += change & 1 ? ~(change >>> 1) : change >>> 1;
    most = Math.max(most, value);
    varint();
  }
  return most;
}
