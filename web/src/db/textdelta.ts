/** A step through a text: see `TextEvent`. */
export type TextOp = { retain: number } | { insert: string } | { delete: number };

/** A replacement in a text as it is after all that was before. */
export interface Replacement {
  readonly pos: number;
  readonly deleted: number;
  readonly inserted: string;
}

/** Gives the delta that does what `delta` does and then makes one replacement. */
export function compose(delta: readonly TextOp[], { pos, deleted, inserted }: Replacement): TextOp[] {
  const out: TextOp[] = [];
  let keep = pos;
  let take = deleted;
  let put = inserted;
  for (let op of delta) {
    if ('delete' in op) {
      push(out, op);
      continue;
    }
    if (keep > 0) {
      const [first, rest] = split(op, keep);
      push(out, first);
      keep -= lengthOf(first);
      if (!rest) continue;
      op = rest;
    }
    push(out, { insert: put });
    put = '';
    if (take > 0) {
      const [first, rest] = split(op, take);
      if ('retain' in first) push(out, { delete: first.retain });
      take -= lengthOf(first);
      if (!rest) continue;
      op = rest;
    }
    push(out, op);
  }
  push(out, { retain: keep });
  push(out, { insert: put });
  push(out, { delete: take });
  while (out.length > 0 && 'retain' in (out[out.length - 1] as TextOp)) out.pop();
  return out;
}

/** An insert or retain; where a delete would be it is not asked. */
function lengthOf(op: TextOp): number {
  if ('insert' in op) return op.insert.length;
  return 'retain' in op ? op.retain : op.delete;
}

/** Parts an insert or retain after at most `length` code units. */
function split(op: TextOp, length: number): [TextOp, TextOp | undefined] {
  if (lengthOf(op) <= length) return [op, undefined];
  if ('insert' in op) return [{ insert: op.insert.slice(0, length) }, { insert: op.insert.slice(length) }];
  return [{ retain: length }, { retain: lengthOf(op) - length }];
}

/** Appends a step, joined with the last where they are of one kind; one of no length is none. */
function push(out: TextOp[], op: TextOp): void {
  if (lengthOf(op) === 0) return;
  const last = out[out.length - 1];
  if (last && 'insert' in last && 'insert' in op) last.insert += op.insert;
  else if (last && 'retain' in last && 'retain' in op) last.retain += op.retain;
  else if (last && 'delete' in last && 'delete' in op) last.delete += op.delete;
  else out.push({ ...op });
}
