import { Reader } from '../wire.js';
import { type IdKey, idSize, keyAt, putKey } from './ids.js';
import type { ObjectNode } from './live.js';

/** Objects that are read together at the first touch of one of them. */
const readAhead = 256;

/**
 * Reads an object, and those behind it in `unread` that are not read yet: `read`
 * gives the records of ids that stand one behind the other, `nodeOf` the object of
 * a record.
 */
export function loadTogether(
  object: ObjectNode,
  unread: readonly ObjectNode[],
  read: (ids: Uint8Array) => Uint8Array,
  nodeOf: (key: IdKey) => ObjectNode,
): void {
  const batch = [object];
  const start = (object.unreadAt ?? unread.length) + 1;
  for (const node of unread.slice(start, start + readAhead)) if (!node.loaded) batch.push(node);
  const ids = new Uint8Array(batch.length * idSize);
  for (const [i, node] of batch.entries()) putKey(ids, i * idSize, node.key);
  const r = new Reader(read(ids));
  r.array();
  for (const node of batch) {
    // The properties of a space are there before anybody has set one.
    if (r.skipNil()) node.loaded = true;
    else readRecord(r, nodeOf);
  }
}

/** Reads a record into its object: `[id, flags, map, created lamport, created feed]`. */
export function readRecord(r: Reader, nodeOf: (key: IdKey) => ObjectNode): ObjectNode {
  const size = r.array();
  const node = nodeOf(keyAt(r.bin()));
  node.deleted = (r.int() & 1) !== 0;
  node.loadFrom(r);
  for (let i = 3; i < size; i++) r.skip();
  return node;
}
