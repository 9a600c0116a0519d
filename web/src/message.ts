import {
  checkDepth,
  isPlainObject,
  keysOf,
  readValue,
  scalarOf,
  sortKeys,
  tag,
  unsupported,
  writeScalar,
} from './db/values.js';
import { Reader, Writer } from './wire.js';

/** Writes what is posted to a channel: a value as objects hold it, or an array of such. */
export function writeMessage(data: unknown): Uint8Array {
  const w = new Writer();
  write(w, [], data, []);
  return w.bytes.slice();
}

/** Reads what {@link writeMessage} wrote. */
export function readMessage(bytes: Uint8Array): unknown {
  const r = new Reader(bytes);
  return read(r);
}

function write(w: Writer, path: string[], value: unknown, above: object[]): void {
  checkDepth(path);
  const isArray = Array.isArray(value);
  if (!isArray && !isPlainObject(value)) {
    writeScalar(w, scalarOf(path, value));
    return;
  }
  if (above.includes(value)) throw unsupported(path, 'the object contains itself');
  const inside = [...above, value];
  if (isArray) {
    w.array(1 + value.length);
    w.uint(tag.list);
    for (const [i, element] of value.entries()) write(w, [...path, String(i)], element, inside);
    return;
  }
  const keys = sortKeys(keysOf(path, value));
  w.array(1 + 2 * keys.length);
  w.uint(tag.map);
  for (const key of keys) {
    w.str(key);
    write(w, [...path, key], value[key], inside);
  }
}

function read(r: Reader): unknown {
  return readValue<unknown>(r, {
    reference: () => undefined,
    list: (reader, size) => Array.from({ length: size }, () => read(reader)),
    map: (reader, size) => {
      const entries: [string, unknown][] = [];
      for (let i = 0; i < size; i++) entries.push([reader.str(), read(reader)]);
      return Object.fromEntries(entries);
    },
  });
}
