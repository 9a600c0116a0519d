/** How many values a new chunk gets, and how many one may grow to. */
const chunkSize = 512;
const maxChunk = 2 * chunkSize;

/** A value and its place in a list. */
export type Placed<V> = readonly [index: number, value: V];

/**
 * A list that does not change: a change makes another list, which shares with it
 * all but the chunks that differ. So a change costs the same in a list of a
 * hundred thousand as in one of a thousand, but for a step per chunk.
 */
export class Rows<V> {
  readonly length: number;
  readonly #chunks: readonly (readonly V[])[];

  private constructor(chunks: readonly (readonly V[])[], length: number) {
    this.#chunks = chunks;
    this.length = length;
  }

  static of<V>(values: readonly V[]): Rows<V> {
    const chunks: (readonly V[])[] = [];
    for (let i = 0; i < values.length; i += chunkSize) chunks.push(values.slice(i, i + chunkSize));
    return new Rows(chunks, values.length);
  }

  toArray(): V[] {
    return ([] as V[]).concat(...this.#chunks);
  }

  /** All values by a function, which is called once for each chunk. */
  flatMap<W>(f: (chunk: readonly V[]) => readonly W[]): W[] {
    return ([] as W[]).concat(...this.#chunks.map(f));
  }

  /**
   * Takes values out, each at the place that it has when those before it are
   * gone; then puts others in, each at the place that it has when those before it
   * are there.
   */
  patched(removed: readonly Placed<V>[], added: readonly Placed<V>[]): Rows<V> {
    if (removed.length + added.length === 0) return this;
    if (removed.length > 0 && (removed.length + added.length) * chunkSize > this.length) {
      return Rows.of(merged(this.toArray(), new Set(removed.map(([, value]) => value)), added));
    }
    const edit = new Edit([...this.#chunks]);
    for (const [index] of removed) edit.remove(index);
    for (const [index, value] of added) edit.insert(index, value);
    return new Rows(edit.chunks, this.length - removed.length + added.length);
  }
}

/** Changes chunks; those that it has not copied yet belong to a list. */
class Edit<V> {
  readonly chunks: (readonly V[])[];
  readonly #own = new Set<readonly V[]>();

  constructor(chunks: (readonly V[])[]) {
    this.chunks = chunks;
  }

  remove(index: number): void {
    const [at, offset] = this.#find(index, false);
    const chunk = this.#copy(at);
    chunk.splice(offset, 1);
    if (chunk.length === 0) this.chunks.splice(at, 1);
  }

  insert(index: number, value: V): void {
    if (this.chunks.length === 0) this.chunks.push([]);
    const [at, offset] = this.#find(index, true);
    const chunk = this.#copy(at);
    chunk.splice(offset, 0, value);
    if (chunk.length <= maxChunk) return;
    // What is put behind all others leaves full chunks behind.
    const atEnd = at === this.chunks.length - 1 && offset === chunk.length - 1;
    const rest = chunk.splice(atEnd ? maxChunk : chunkSize);
    this.#own.add(rest);
    this.chunks.splice(at + 1, 0, rest);
  }

  /** The chunk of an index and the place in it; behind the last of a chunk if `behind`. */
  #find(index: number, behind: boolean): [chunk: number, offset: number] {
    let at = 0;
    let offset = index;
    for (; at < this.chunks.length - 1; at++) {
      const { length } = this.chunks[at] as readonly V[];
      if (offset < length || (behind && offset === length)) break;
      offset -= length;
    }
    return [at, offset];
  }

  #copy(at: number): V[] {
    const chunk = this.chunks[at] as readonly V[];
    if (this.#own.has(chunk)) return chunk as V[];
    const copy = chunk.slice();
    this.#own.add(copy);
    this.chunks[at] = copy;
    return copy;
  }
}

/** Takes values out of a list, then puts others in at the places they have in the end, which ascend. */
function merged<V>(list: readonly V[], removed: ReadonlySet<V>, added: readonly Placed<V>[]): V[] {
  const kept = list.filter((value) => !removed.has(value));
  const result: V[] = [];
  let next = 0;
  for (const [index, value] of added) {
    while (result.length < index && next < kept.length) result.push(kept[next++] as V);
    result.push(value);
  }
  while (next < kept.length) result.push(kept[next++] as V);
  return result;
}
