// Takes the line numbers out of a Go program for WebAssembly. The runtime needs
// its tables of stack sizes and pointer maps, which lie among those that map
// each instruction to a file and a line; the latter are for traces alone, and a
// twelfth of the whole download. Without them a trace has no lines: the runtime takes the absence of a table for "not known".
//
// The layout is that of pcHeader and _func in Go's runtime (symtab.go,
// runtime2.go), checked as far as it can be.

/** abi.Go120PCLnTabMagic, two zeros, instructions of one byte, pointers of eight. */
const HEADER = Buffer.from([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);

/** Offsets in a function's record. */
const FUNC = { pcsp: 16, pcfile: 20, pcln: 24, npcdata: 28, pcdata: 44 };

/** Finds the header of the table of functions, and what it says; offsets are from its start. */
export function findTable(memory) {
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

/** Words of runtime.moduledata: the table of functions and its length, and the last that anybody reads. */
const MODULE = { ftab: 16, ftabLength: 17, last: 41 };

/** Finds runtime.moduledata, and gives a function for its words. */
export function findModule(memory, table) {
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

/** The end of the table at `at`: pairs of a value's and a pc's change, until a value that does not change. */
export function endOf(memory, at) {
  let next = at;
  const varint = () => {
    const from = next;
    while (memory[next++] >= 128);
    return next === from + 1 ? memory[from] : -1;
  };
  for (let first = true; ; first = false) {
    const change = varint();
    if (change === 0 && !first) return next;
    varint();
    if (next > memory.length) throw new Error('a table of the module has no end');
  }
}

/** Strips a program's memory, from address 0, in place. */
export function stripLines(memory) {
  const { at, funcs, files, tables, functions } = findTable(memory);
  const size = functions - tables;
  const kept = new Uint8Array(size);
  kept[0] = 1; // offset 0 says that there is no table
  const keep = (offset) => {
    if (offset >= size)
      throw new Error(`a table at ${offset} of ${size}: not a layout that this script knows`);
    if (offset > 0) kept.fill(1, offset, endOf(memory, at + tables + offset) - at - tables);
  };
  for (let n = 0; n < funcs; n++) {
    const f = at + functions + memory.readUInt32LE(at + functions + 8 * n + 4);
    keep(memory.readUInt32LE(f + FUNC.pcsp));
    const count = memory.readUInt32LE(f + FUNC.npcdata);
    if (count > 16) throw new Error(`a function with ${count} tables: not a layout that this script knows`);
    for (let i = 0; i < count; i++) keep(memory.readUInt32LE(f + FUNC.pcdata + 4 * i));
    memory.fill(0, f + FUNC.pcfile, f + FUNC.npcdata);
    memory.fill(0, f + FUNC.npcdata + 4, f + FUNC.npcdata + 12); // cuOffset, startLine
  }
  for (let i = 0; i < size; i++) if (!kept[i]) memory[at + tables + i] = 0;
  memory.fill(0, at + files, at + tables); // the names of files
}
