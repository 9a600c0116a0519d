// The sections of a WebAssembly module, and what they are written in.

/** Numbers of sections. */
export const ID = { type: 1, import: 2, function: 3, start: 8, code: 10, data: 11 };

/** Ends a function, a block, an expression. */
export const END = 0x0b;

/** Reads a module's bytes in order. */
export class Reader {
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

  /** An integer in signed LEB128; beyond 53 bits it is rounded. */
  int() {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const b = this.byte();
      value += (b & 127) * factor;
      if (b < 128) return b & 64 ? value - factor * 128 : value;
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
export function uint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}

/** The sections of a module, in order: [id, body]. */
export function readSections(module) {
  const reader = new Reader(module);
  const magic = reader.slice(8); // and version
  const sections = [];
  while (reader.at < module.length) sections.push([reader.byte(), reader.slice(reader.uint())]);
  return { magic, sections };
}

/** The module that has these sections. */
export function writeSections(magic, sections) {
  const parts = sections.flatMap(([id, body]) => [Buffer.from([id]), uint(body.length), body]);
  return Buffer.concat([magic, ...parts]);
}

/** A vector with one element more, and how many there were. */
function appended(vector, element) {
  const reader = new Reader(vector);
  const count = reader.uint();
  return { count, body: Buffer.concat([uint(count + 1), vector.subarray(reader.at), element]) };
}

/** How many functions a module imports. */
export function importedFunctions(section) {
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

/** Adds a function, of a type of its own, behind all others: its locals and instructions. Gives its number. */
export function addFunction(sections, type, code) {
  const find = (id) => sections.find(([other]) => other === id);
  const typed = appended(find(ID.type)[1], type);
  const declared = appended(find(ID.function)[1], uint(typed.count));
  const coded = appended(find(ID.code)[1], Buffer.concat([uint(code.length), code]));
  find(ID.type)[1] = typed.body;
  find(ID.function)[1] = declared.body;
  find(ID.code)[1] = coded.body;
  return importedFunctions(find(ID.import)[1]) + declared.count;
}
