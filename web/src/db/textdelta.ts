import { type Marks, markedOver, sameMarks } from './marks.js';

/** A step through a text: see `TextEvent`. */
export type TextOp =
  | { retain: number; attributes?: Marks }
  | { insert: string; attributes?: Marks }
  | { delete: number };

/**
 * A replacement in a text as it is after all that was before, with the marks of
 * what is inserted; or, if nothing is said to be inserted, the marks that so
 * many units get which stay.
 */
export interface Replacement {
  readonly pos: number;
  readonly deleted: number;
  readonly inserted: string | undefined;
  readonly attributes?: Marks | undefined;
}

/**
 * Gives the delta that does what the replacements do one after the other. It
 * composes halves, so that n of them cost n log n steps.
 */
export function deltaOf(replacements: readonly Replacement[]): TextOp[] {
  const out = composed(replacements, 0, replacements.length);
  for (
    let last = out[out.length - 1];
    last && 'retain' in last && !last.attributes;
    last = out[out.length - 1]
  )
    out.pop();
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
    const { pos, deleted, inserted, attributes } = only;
    push(out, { retain: pos });
    if (inserted === undefined) {
      push(out, withMarks({ retain: deleted }, attributes));
    } else {
      push(out, withMarks({ insert: inserted }, attributes));
      push(out, { delete: deleted });
    }
  }
  return out;
}

/** Gives the delta that does what `first` does, and then `second`. */
function compose(first: readonly TextOp[], second: readonly TextOp[]): TextOp[] {
  const out: TextOp[] = [];
  let next = 0;
  let rest: Kept | undefined;
  /** Takes up to `length` units of what the first delta leaves; undefined behind its end, where all is kept. */
  const take = (length: number): Kept | undefined => {
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
        push(out, keeps ? withMarks({ retain: left }, op.attributes) : { delete: left });
        break;
      }
      if (keeps) push(out, op.attributes ? formatted(head, op.attributes) : head);
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
function split(op: Kept, length: number): [Kept, Kept | undefined] {
  if (lengthOf(op) <= length) return [op, undefined];
  const { attributes } = op;
  if ('insert' in op)
    return [
      withMarks({ insert: op.insert.slice(0, length) }, attributes),
      withMarks({ insert: op.insert.slice(length) }, attributes),
    ];
  return [withMarks({ retain: length }, attributes), withMarks({ retain: op.retain - length }, attributes)];
}

/** A step that leaves something. */
type Kept = Exclude<TextOp, { delete: number }>;

function withMarks(op: Kept, attributes: Marks | undefined): Kept {
  return attributes ? { ...op, attributes } : op;
}

/** Gives a step with marks set over its own: what is inserted has them then, what stays gets them. */
function formatted(op: Kept, by: Marks): Kept {
  const { attributes, ...plain } = op;
  return withMarks(plain as Kept, markedOver(attributes, by, 'retain' in op));
}

/** Appends a step, joined with the last where they are of one kind; one of no length is none. */
function push(out: TextOp[], op: TextOp): void {
  if (lengthOf(op) === 0) return;
  const last = out[out.length - 1];
  if (last && 'delete' in last) {
    if ('delete' in op) last.delete += op.delete;
    else out.push({ ...op });
  } else if (last && !('delete' in op) && !sameMarks(last.attributes, op.attributes)) out.push({ ...op });
  else if (last && 'insert' in last && 'insert' in op) last.insert += op.insert;
  else if (last && 'retain' in last && 'retain' in op) last.retain += op.retain;
  else out.push({ ...op });
}
