// Finds what Go's runtime keeps of each function of a program for WebAssembly:
// where its tables of stack sizes and of pointers lie, its name, its place in the
// source. The layout is that of Go's linker (cmd/link/internal/ld/pcln.go) and
// runtime (symtab.go, runtime2.go), checked as far as it can be.

/** abi.Go120PCLnTabMagic, two zeros, instructions of one byte, pointers of eight. */
const HEADER = Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);

/** Words of runtime.moduledata: the table of functions and its length, the last word that anybody reads, and others. */
const MODULE = { ftab: 16, ftabLength: 17, findfunctab: 19, minpc: 20, maxpc: 21, gofunc: 40, last: 41 };

/** Offsets in a function's record, runtime._func; tables of values and data on the function follow it. */
export const FUNC = {
  ...{ entry: 0, name: 4, args: 8, deferreturn: 12, pcsp: 16, tables: 28, kind: 40, datas: 43 },
  size: 44,
};

/** abi.PCDATA_* and abi.FUNCDATA_*: the order of what follows a record. */
const TABLE = { stackMap: 1, inlined: 2, argumentsLive: 3 };
const DATA = {
  ...{ argumentPointers: 0, localPointers: 1, stackObjects: 2, inlined: 3, defers: 4 },
  ...{ arguments: 5, argumentsLive: 6, wrapped: 7 },
};

/** A function has no data of a kind. */
export const NONE = -1;

export function want(holds, what) {
  if (!holds) throw new Error(`${what}: not a layout that this script knows`);
}

/** Finds the header of the table of functions, and what it says; offsets are from its start. */
function findTable(memory) {
  const found = [];
  for (let at = memory.indexOf(HEADER); at >= 0; at = memory.indexOf(HEADER, at + 1)) {
    if (at % 8 !== 0 || at + 72 > memory.length) continue;
    const word = (n) => Number(memory.readBigUInt64LE(at + 8 * n));
    const [funcs, unused] = [word(1), word(3)];
    const [names, units, files, tables, functions] = [4, 5, 6, 7, 8].map(word);
    const rises = [72, names, units, files, tables, functions].every(
      (x, i, all) => i === 0 || x >= all[i - 1],
    );
    const fits = at + functions + 8 * funcs <= memory.length;
    if (funcs > 0 && unused === 0 && rises && fits)
      found.push({ at, funcs, names, units, files, tables, functions });
  }
  if (found.length !== 1)
    throw new Error(`${found.length} tables of functions in the module, expected one of Go 1.20 to 1.26`);
  return found[0];
}

/** Finds runtime.moduledata, and gives a function for its words. */
function findModule(memory, table) {
  const pointer = Buffer.alloc(8);
  pointer.writeBigUInt64LE(BigInt(table.at));
  for (let at = memory.indexOf(pointer); at >= 0; at = memory.indexOf(pointer, at + 1)) {
    const word = (n) => Number(memory.readBigUInt64LE(at + 8 * n));
    if (at % 8 !== 0 || at + 8 * MODULE.last + 8 > memory.length) continue;
    if (word(MODULE.ftab) === table.at + table.functions && word(MODULE.ftabLength) === table.funcs + 1)
      return word;
  }
  throw new Error('the module has no moduledata of a layout that this script knows');
}

/** Reads a varint: its value, and the address behind it. */
function varint(memory, at) {
  let value = 0;
  for (let [shift, next] = [0, at]; ; shift += 7) {
    const byte = memory[next++];
    value |= (byte & 127) << shift;
    if (byte < 128) return { value: value >>> 0, next };
    want(shift < 28 && next < memory.length, `the number at ${at}`);
  }
}

/**
 * Reads the table at `at`, which begins with -1: pairs of a value's and a pc's
 * change, until a value that does not change. Gives its greatest value and its end.
 */
function readTable(memory, at) {
  let [value, most] = [-1, -1];
  for (let next = at; ; ) {
    const change = varint(memory, next);
    if (change.value === 0 && next > at) return { most, end: change.next };
    value += change.value & 1 ? ~(change.value >>> 1) : change.value >>> 1;
    most = Math.max(most, value);
    next = varint(memory, change.next).next;
  }
}

/** How many bytes the data of a kind takes at an address. */
const sizes = {
  pointers: (memory, at) => 8 + memory.readInt32LE(at) * ((memory.readInt32LE(at + 4) + 7) >> 3), // stackmap
  objects: (memory, at) => 8 + 16 * Number(memory.readBigUInt64LE(at)), // stackObjectRecord
  defers: (memory, at) => varint(memory, varint(memory, at).next).next - at,
  inlined: (calls) => 16 * calls, // inlinedCall
  wrapped: () => 4,
  arguments(memory, at) {
    for (
      let next = at;
      ;
      next += memory[next] < 0xfb ? 2 : 1 // from 0xfb, abi.TraceArgs*, no place and size
    )
      if (memory[next] === 0xff) return next + 1 - at;
  },
};

/** Reads the record at `at`: where the tables and the data lie that the runtime needs, and those that traces alone need. */
function readFunction(memory, at, table, gofunc) {
  const tables = memory.readUInt32LE(at + FUNC.tables);
  const datas = memory[at + FUNC.datas];
  want(tables <= TABLE.argumentsLive && datas <= DATA.wrapped + 1, `the record at ${at}`);
  const offset = (i) => (i < tables ? memory.readUInt32LE(at + FUNC.size + 4 * i) : 0);
  const data = (i) => (i < datas ? memory.readInt32LE(at + FUNC.size + 4 * (tables + i)) : NONE);
  want(data(DATA.argumentsLive) === NONE, `the record at ${at}`);
  const span = (i, size) =>
    data(i) !== NONE && { at: gofunc + data(i), size: size(memory, gofunc + data(i)) };
  const inlined = offset(TABLE.inlined);
  const calls = inlined > 0 ? readTable(memory, table.at + table.tables + inlined).most + 1 : 0;
  return {
    args: memory.readInt32LE(at + FUNC.args),
    deferreturn: memory.readUInt32LE(at + FUNC.deferreturn),
    kind: memory.readUInt32LE(at + FUNC.kind) & 0xffff, // funcID and flag
    name: memory.readInt32LE(at + FUNC.name),
    pcsp: memory.readUInt32LE(at + FUNC.pcsp),
    stackMap: offset(TABLE.stackMap),
    datas: [
      ...[DATA.argumentPointers, DATA.localPointers, DATA.stackObjects].map(data),
      ...[NONE, data(DATA.defers)], // without inlined calls, which traces alone name
    ],
    needed: [
      span(DATA.argumentPointers, sizes.pointers),
      span(DATA.localPointers, sizes.pointers),
      span(DATA.stackObjects, sizes.objects),
      span(DATA.defers, sizes.defers),
    ].filter(Boolean),
    traced: [
      span(DATA.inlined, () => sizes.inlined(calls)),
      span(DATA.arguments, sizes.arguments),
      span(DATA.wrapped, sizes.wrapped),
    ].filter(Boolean),
  };
}

/**
 * Reads the functions of a program's memory, from address 0. Gives them in order,
 * and the addresses of the areas that describe them.
 */
export function readFunctions(memory) {
  const table = findTable(memory);
  const word = findModule(memory, table);
  const area = (from, to) => ({ from: table.at + from, to: table.at + to });
  const records = table.at + table.functions;
  const entry = memory.readUInt32LE(records);
  let end = records + 8 * (table.funcs + 1);
  const functions = Array.from({ length: table.funcs }, (_, i) => {
    const at = records + memory.readUInt32LE(records + 8 * i + 4);
    want(memory.readUInt32LE(records + 8 * i) === entry + i, `the entry of function ${i}`);
    want(memory.readUInt32LE(at + FUNC.entry) === entry + i, `the record of function ${i}`);
    want(at >= end, `the place of function ${i}`);
    end = at + FUNC.size + 4 * (memory.readUInt32LE(at + FUNC.tables) + memory[at + FUNC.datas]);
    return readFunction(memory, at, table, word(MODULE.gofunc));
  });
  return {
    ...{ functions, entry, records: { from: records, to: end } },
    ...{ names: area(table.names, table.units), files: area(table.units, table.tables) },
    tables: area(table.tables, table.functions),
    tableEnd: (offset) => readTable(memory, table.at + table.tables + offset).end - table.at - table.tables,
    index: word(MODULE.findfunctab),
    pcs: word(MODULE.maxpc) - word(MODULE.minpc),
  };
}
