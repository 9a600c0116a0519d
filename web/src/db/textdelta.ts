/** A step through a text: see `TextEvent`. */
export type TextOp = { retain: number } | { insert: string } | { delete: number };

/** A replacement in a text as it is after all that was before. */
export interface Replacement {
  readonly pos: number;
  readonly deleted: number;
  readonly inserted: string;
}

/**
 * Gives the delta that does what the replacements do one after the other. It
 * composes halves, so that n of them cost n log n steps.
 */
export function deltaOf(replacements: readonly Replacement[]): TextOp[] {
  const out = composed(replacements, 0, replacements.length);
  while (out.length > 0 && 'retain' in (out[out.length - 1] as TextOp)) out.pop();
  return out;
}

function composed(replacements: readonly Replacement[], from: number, end: number): TextOp[] {
  if (end - from > 1) {
    const middle = (from + end) >> 1;
    return compose(composed(replacements, from, middle), composed(replacements, middle, end));
  }
  const out: TextOp[] = [];
  const only = replacements[from];
  if (only) {
    push(out, { retain: only.pos });
    push(out, { insert: only.inserted });
    push(out, { delete: only.deleted });
  }
  return out;
}

/** Gives the delta that does what `first` does, and then `second`. */
function compose(first: readonly TextOp[], second: readonly TextOp[]): TextOp[] {
  const out: TextOp[] = [];
  let next = 0;
  let rest: TextOp | undefined;
  /** Takes up to `length` units of what the first delta leaves; undefined behind its end, where all is kept. */
  const take = (length: number): TextOp | undefined => {
    for (;;) {
      const op = rest ?? first[next++];
      rest = undefined;
      if (!op || !('delete' in op)) {
        if (!op) return undefined;
        const [head, tail] = split(op, length);
        rest = tail;
        return head;
      }
      push(out, op);
    }
  };
  for (const op of second) {
    if ('insert' in op) {
      push(out, op);
      continue;
    }
    const keeps = 'retain' in op;
    for (let left = lengthOf(op); left > 0; ) {
      const head = take(left);
      if (!head) {
        push(out, keeps ? { retain: left } : { delete: left });
        break;
      }
      if (keeps) push(out, head);
      else if ('retain' in head) push(out, { delete: head.retain });
      left -= lengthOf(head);
    }
  }
  if (rest) push(out, rest);
  for (const op of first.slice(next)) push(out, op);
  return out;
}

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
