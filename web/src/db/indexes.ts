import { EchospaceError } from '../errors.js';
import { type Reader, Writer } from '../wire.js';
import { type Order, type PropertyPath, pathOf, writeOrder, writePath } from './filter.js';

/**
 * What an index is over:
 *
 * - one or several properties, in their order: for conditions on the first ones,
 *   and for sorting by the others;
 * - `search`: the words of some properties together, for `$search` in these;
 * - `items`: the items of the lists in a property, for `$contains`;
 * - `references`: which objects refer to which, for `$references`.
 */
export type IndexDefinition =
  | Order
  | readonly Order[]
  | { search: readonly PropertyPath[] }
  | { items: PropertyPath }
  | { references: true };

/** Kinds of indexes and their numbers in the core (`core/objectdb`). */
const kinds = { sorted: 1, search: 2, items: 3, references: 4 } as const;

/** How a query was answered. */
export interface QueryPlan {
  /**
   * `scan`: all objects were looked at. `index`: those that indexes named.
   * `search`: those that an index of words named.
   */
  readonly plan: 'scan' | 'index' | 'search';
  /** The indexes that were used, such as `status, rank descending`, `search: title` or `items: tags`. */
  readonly indexes: readonly { readonly name: string; readonly declared: boolean }[];
  /** How many objects were looked at. */
  readonly examined: number;
  /** How many of them meet the conditions; with a limit, how many of them were needed. */
  readonly matched: number;
  /** Whether the objects came in the order that was asked for, so that they did not have to be sorted. */
  readonly ordered: boolean;
  /** Whether the query has subscribers, so that its result is kept and only changes are looked at. */
  readonly live: boolean;
}

/** Encodes the name of an index for the core. */
export function encodeIndex(definition: IndexDefinition): Writer {
  const w = new Writer();
  if (typeof definition === 'object' && 'search' in definition) {
    const paths = listOf('search', definition.search);
    w.array(1 + paths.length);
    w.uint(kinds.search);
    for (const path of paths) writePath(w, pathOf(path));
  } else if (typeof definition === 'object' && 'items' in definition) {
    w.array(2);
    w.uint(kinds.items);
    writePath(w, pathOf(definition.items));
  } else if (typeof definition === 'object' && 'references' in definition) {
    w.array(1);
    w.uint(kinds.references);
  } else {
    const orders = listOf('properties', Array.isArray(definition) ? definition : [definition as Order]);
    w.array(1 + orders.length);
    w.uint(kinds.sorted);
    for (const order of orders) writeOrder(w, order as Order);
  }
  return w;
}

function listOf<V>(what: string, values: readonly V[]): readonly V[] {
  if (Array.isArray(values) && values.length > 0) return values;
  throw new EchospaceError('INVALID_ARGUMENT', `index: ${what} wants an array of the names of properties`);
}

/** Reads `[[[index, declared]...], examined, matched, ordered]`. */
export function readPlan(r: Reader, live: boolean): QueryPlan {
  r.array();
  let plan: QueryPlan['plan'] = 'scan';
  const indexes = Array.from({ length: r.array() }, () => {
    r.array();
    const { name, kind } = readIndex(r);
    if (kind === kinds.search || plan === 'search') plan = 'search';
    else plan = 'index';
    return { name, declared: r.bool() };
  });
  return { plan, indexes, examined: r.int(), matched: r.int(), ordered: r.bool(), live };
}

function readIndex(r: Reader): { name: string; kind: number } {
  const size = r.array() - 1;
  const kind = r.int();
  const readPath = () => Array.from({ length: r.array() }, () => r.str()).join('.');
  const parts = Array.from({ length: size }, () => {
    if (kind !== kinds.sorted) return readPath();
    r.array();
    const path = readPath();
    return r.bool() ? `${path} descending` : path;
  }).join(', ');
  if (kind === kinds.references) return { name: 'references', kind };
  const label = kind === kinds.search ? 'search: ' : kind === kinds.items ? 'items: ' : '';
  return { name: label + parts, kind };
}
