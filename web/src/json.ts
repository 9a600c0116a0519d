import { Counter } from './db/counter.js';
import type { Database } from './db/database.js';
import { idOf, isLive } from './db/live.js';
import { Text } from './db/text.js';
import { nextTask } from './tasks.js';

/** The number of the JSON form. A change that a reader would stumble over takes the next. */
const version = 1;
/** How long the work may keep the page at a time, in milliseconds. */
const sliceMs = 8;

/**
 * Writes the objects of a space as JSON for people and scripts, some at a time:
 *
 *     {"format":"echospace","version":1,"created":…,"properties":{…},"objects":[{"id":…,"properties":{…}},…]}
 *
 * Dates are ISO strings, texts strings, counters numbers. What JSON has no form
 * for is `{"$bytes": base64}`, `{"$bigint": digits}`, `{"$number": "NaN"}` (also
 * for the infinities and -0) or `{"$ref": id}`.
 */
export async function writeJson(db: Database, properties: object): Promise<Blob> {
  const parts: string[] = [];
  const head = { format: 'echospace', version, created: new Date().toISOString() };
  parts.push(JSON.stringify(head).slice(0, -1), ',"properties":', JSON.stringify(plainMap(properties)));
  parts.push(',"objects":[');
  let due = performance.now() + sliceMs;
  for (const [i, object] of db.query().objects.entries()) {
    const line = { id: idOf(object), properties: plainMap(object) };
    parts.push(`${i > 0 ? ',' : ''}\n${JSON.stringify(line)}`);
    if (performance.now() < due) continue;
    await new Promise<void>((resolve) => nextTask(resolve));
    due = performance.now() + sliceMs;
  }
  parts.push('\n]}\n');
  return new Blob(parts, { type: 'application/json' });
}

/** A map as JSON has it. It has no prototype, so that every name is an ordinary one. */
function plainMap(map: object): Record<string, unknown> {
  const out = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(map)) out[key] = plain(value);
  return out;
}

function plain(value: unknown): unknown {
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: signed(value) };
  if (typeof value === 'bigint') return { $bigint: value.toString() };
  if (typeof value !== 'object' || value === null) return value;
  if (isLive(value)) return { $ref: idOf(value) };
  if (value instanceof Text || value instanceof Counter) return value.toJSON();
  if (value instanceof Date) return value.toJSON();
  if (value instanceof Uint8Array) return { $bytes: base64(value) };
  return Array.isArray(value) ? value.map(plain) : plainMap(value);
}

function signed(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 0x2000)
    binary += String.fromCharCode(...bytes.subarray(i, i + 0x2000));
  return btoa(binary);
}
