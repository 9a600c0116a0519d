/**
 * The encoding that the page and the core share: the strict subset of msgpack
 * that `core/wire` defines (nil, bool, shortest integers, float64, bin, str,
 * array). Integers outside the safe range of a number are bigints here.
 *
 * Values of objects are built on it (see `db/values.ts`).
 */

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Above this length, and for any text that is not ASCII, the platform's codec is
 * about as fast as a loop. The length fits one byte.
 */
const shortText = 255;
/** Likewise when a text is read: one that is put together of many parts stays in parts, 20 bytes for each. */
const shortRead = 32;
/** Above this length room for the most bytes that a text can take would be a waste. */
const longText = 1 << 16;

/** How many bytes stand before a str of so many bytes. */
function strHeaderSize(size: number): number {
  if (size < 32) return 1;
  if (size <= 0xff) return 2;
  return size <= 0xffff ? 3 : 5;
}

/** Appends values to a growing buffer. */
export class Writer {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written, sharing the Writer's memory: valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void {
    this.#length = length;
  }

  #reserve(size: number): number {
    const at = this.#length;
    const need = at + size;
    if (need > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(need, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = need;
    return at;
  }

  #byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  nil(): void {
    this.#byte(0xc0);
  }

  bool(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2);
  }

  /** A finite number as an integer if it is a safe one and not -0, else as a float. */
  number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.float(value);
    else if (value >= 0) this.uint(value);
    else this.#negative(value);
  }

  /** A safe integer of at least 0, in its shortest form. */
  uint(value: number): void {
    if (value < 0x80) this.#byte(value);
    else if (value <= 0xff) this.#tagged8(0xcc, value);
    else if (value <= 0xffff) this.#tagged16(0xcd, value);
    else if (value <= 0xffffffff) this.#tagged32(0xce, value);
    else this.#tagged64(0xcf, BigInt(value));
  }

  #negative(value: number): void {
    if (value >= -32) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#tagged8(0xd0, value & 0xff);
    else if (value >= -0x8000) this.#tagged16(0xd1, value & 0xffff);
    else if (value >= -0x80000000) this.#tagged32(0xd2, value >>> 0);
    else this.#tagged64(0xd3, BigInt.asUintN(64, BigInt(value)));
  }

  float(value: number): void {
    const at = this.#reserve(9);
    this.#bytes[at] = 0xcb;
    this.#view.setFloat64(at + 1, value);
  }

  bin(value: Uint8Array): void {
    this.#length32(value.length, 0xc4);
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
  }

  /** A bin of at most 255 bytes, which are the code units of a string. */
  latin(value: string): void {
    const size = value.length;
    const at = this.#reserve(size + 2);
    const bytes = this.#bytes;
    bytes[at] = 0xc4;
    bytes[at + 1] = size;
    for (let i = 0; i < size; i++) bytes[at + 2 + i] = value.charCodeAt(i);
  }

  /** A well-formed string: the caller has checked it. */
  str(value: string): void {
    if (value.length <= shortText && this.#ascii(value)) return;
    if (value.length > longText) {
      const bytes = utf8Encoder.encode(value);
      this.#length32(bytes.length, 0xd9);
      const at = this.#reserve(bytes.length);
      this.#bytes.set(bytes, at);
      return;
    }
    const start = this.#reserve(strHeaderSize(3 * value.length) + 3 * value.length);
    const guess = start + strHeaderSize(value.length); // right for a string in ASCII, as most are
    const { written } = utf8Encoder.encodeInto(value, this.#bytes.subarray(guess));
    const content = start + strHeaderSize(written);
    if (content !== guess) this.#bytes.copyWithin(content, guess, guess + written);
    this.#length = start;
    if (written < 32) this.#byte(0xa0 | written);
    else this.#length32(written, 0xd9);
    this.#length = content + written;
  }

  #ascii(value: string): boolean {
    const before = this.#length;
    const size = value.length;
    const at = this.#reserve(size + 2);
    const bytes = this.#bytes; // the loop would look for it each time
    const start = size < 32 ? at + 1 : at + 2;
    for (let i = 0; i < size; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) {
        this.#length = before;
        return false;
      }
      bytes[start + i] = code;
    }
    if (size < 32) {
      bytes[at] = 0xa0 | size;
    } else {
      bytes[at] = 0xd9;
      bytes[at + 1] = size;
    }
    this.#length = start + size;
    return true;
  }

  /** The header of an array of `size` elements, which follow. */
  array(size: number): void {
    if (size < 16) this.#byte(0x90 | size);
    else if (size <= 0xffff) this.#tagged16(0xdc, size);
    else this.#tagged32(0xdd, size);
  }

  /** A length in the shortest of three forms whose tags follow each other. */
  #length32(size: number, tag: number): void {
    if (size <= 0xff) this.#tagged8(tag, size);
    else if (size <= 0xffff) this.#tagged16(tag + 1, size);
    else this.#tagged32(tag + 2, size);
  }

  #tagged8(tag: number, value: number): void {
    const at = this.#reserve(2);
    this.#bytes[at] = tag;
    this.#bytes[at + 1] = value;
  }

  #tagged16(tag: number, value: number): void {
    const at = this.#reserve(3);
    this.#bytes[at] = tag;
    this.#view.setUint16(at + 1, value);
  }

  #tagged32(tag: number, value: number): void {
    const at = this.#reserve(5);
    this.#bytes[at] = tag;
    this.#view.setUint32(at + 1, value);
  }

  #tagged64(tag: number, value: bigint): void {
    const at = this.#reserve(9);
    this.#bytes[at] = tag;
    this.#view.setBigUint64(at + 1, value);
  }
}

/** What the next value of a Reader is. */
export type WireType = 'nil' | 'bool' | 'int' | 'float' | 'bin' | 'str' | 'array';

/**
 * Reads values in order. It reads what the core wrote, so it checks types and
 * bounds, throwing a RangeError, but not that forms are the shortest.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** True when everything was read. */
  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Tells the type of the next value without reading it. */
  peek(): WireType {
    const tag = this.#view.getUint8(this.#at);
    if (tag < 0x80 || tag >= 0xe0) return 'int';
    if (tag >= 0x90 && tag < 0xa0) return 'array';
    if (tag >= 0xa0 && tag < 0xc0) return 'str';
    const type = longTypes.get(tag);
    if (type === undefined) throw new RangeError(`wire: byte ${tag} at ${this.#at} begins no value`);
    return type;
  }

  #expect(type: WireType): number {
    const found = this.peek();
    if (found !== type) throw new RangeError(`wire: ${found} at ${this.#at}, want ${type}`);
    return this.#view.getUint8(this.#at++);
  }

  /** Reads nil if it is next, and tells whether it was. */
  skipNil(): boolean {
    if (this.peek() !== 'nil') return false;
    this.#at++;
    return true;
  }

  bool(): boolean {
    return this.#expect('bool') === 0xc3;
  }

  /** An integer; a bigint if a number cannot hold it. */
  integer(): number | bigint {
    const tag = this.#expect('int');
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    const at = this.#at;
    this.#at += 1 << (tag & 3);
    switch (tag) {
      case 0xcc:
        return this.#view.getUint8(at);
      case 0xcd:
        return this.#view.getUint16(at);
      case 0xce:
        return this.#view.getUint32(at);
      case 0xcf:
        return narrow(this.#view.getBigUint64(at));
      case 0xd0:
        return this.#view.getInt8(at);
      case 0xd1:
        return this.#view.getInt16(at);
      case 0xd2:
        return this.#view.getInt32(at);
      default:
        return narrow(this.#view.getBigInt64(at));
    }
  }

  /** An integer that a number holds. */
  int(): number {
    const value = this.integer();
    if (typeof value === 'bigint') throw new RangeError(`wire: ${value} is over the safe range`);
    return value;
  }

  float(): number {
    this.#expect('float');
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8);
  }

  /** Bytes, sharing the Reader's memory. */
  bin(): Uint8Array {
    const tag = this.#expect('bin');
    return this.#take(this.#length(tag - 0xc4));
  }

  str(): string {
    return this.#text(asciiOf);
  }

  /** The same of a string that is likely to be read often. */
  name(): string {
    return this.#text(nameOf);
  }

  #text(short: (bytes: Uint8Array, from: number, to: number) => string | undefined): string {
    const tag = this.#expect('str');
    const size = tag < 0xc0 ? tag & 0x1f : this.#length(tag - 0xd9);
    const end = this.#at + size;
    if (size <= shortRead && end <= this.#bytes.length) {
      const text = short(this.#bytes, this.#at, end);
      if (text !== undefined) {
        this.#at = end;
        return text;
      }
    }
    return utf8Decoder.decode(this.#take(size));
  }

  /** The header of an array; its elements follow. */
  array(): number {
    const tag = this.#expect('array');
    if (tag < 0xa0) return tag & 0x0f;
    return this.#length(tag - 0xdc + 1);
  }

  /** Passes over one value of any type. */
  skip(): void {
    switch (this.peek()) {
      case 'int':
        this.integer();
        break;
      case 'float':
        this.float();
        break;
      case 'bin':
        this.bin();
        break;
      case 'str': {
        const tag = this.#expect('str');
        this.#take(tag < 0xc0 ? tag & 0x1f : this.#length(tag - 0xd9));
        break;
      }
      case 'array':
        for (let n = this.array(); n > 0; n--) this.skip();
        break;
      default:
        this.#at++;
    }
  }

  /** A length of 1, 2 or 4 bytes. */
  #length(log: number): number {
    const at = this.#at;
    this.#at += 1 << log;
    if (log === 0) return this.#view.getUint8(at);
    return log === 1 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #take(size: number): Uint8Array {
    const end = this.#at + size;
    if (end > this.#bytes.length) throw new RangeError(`wire: ${size} bytes at ${this.#at} run over the end`);
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

const longTypes = new Map<number, WireType>([
  [0xc0, 'nil'],
  [0xc2, 'bool'],
  [0xc3, 'bool'],
  [0xc4, 'bin'],
  [0xc5, 'bin'],
  [0xc6, 'bin'],
  [0xcb, 'float'],
  [0xcc, 'int'],
  [0xcd, 'int'],
  [0xce, 'int'],
  [0xcf, 'int'],
  [0xd0, 'int'],
  [0xd1, 'int'],
  [0xd2, 'int'],
  [0xd3, 'int'],
  [0xd9, 'str'],
  [0xda, 'str'],
  [0xdb, 'str'],
  [0xdc, 'array'],
  [0xdd, 'array'],
]);

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Reads ASCII from a place up to another; undefined if there is anything else. */
function asciiOf(bytes: Uint8Array, from: number, to: number): string | undefined {
  const at = (place: number) => bytes[place] as number;
  let text = '';
  let i = from;
  for (; i + 8 <= to; i += 8) {
    const [a, b, c, d] = [at(i), at(i + 1), at(i + 2), at(i + 3)];
    const [e, f, g, h] = [at(i + 4), at(i + 5), at(i + 6), at(i + 7)];
    if ((a | b | c | d | e | f | g | h) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; i < to; i++) {
    if (at(i) >= 0x80) return undefined;
    text += String.fromCharCode(at(i));
  }
  return text;
}

/** Names that were read, each at a place that its bytes decide: most are read again and again. */
const names: (string | undefined)[] = new Array(512);

/** Reads a name from a place up to another. */
function nameOf(bytes: Uint8Array, from: number, to: number): string | undefined {
  let hash = 0;
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
  const place = (hash ^ (hash >>> 9)) & 511;
  const known = names[place];
  if (known !== undefined && known.length === to - from) {
    let i = from;
    while (i < to && known.charCodeAt(i - from) === bytes[i]) i++;
    if (i === to) return known;
  }
  const name = asciiOf(bytes, from, to);
  if (name !== undefined) names[place] = name;
  return name;
}
