// Editing traces (github.com/josephg/editing-traces) as the pages take them.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { root } from '../e2e/harness.mjs';
import { output } from './build.mjs';

const prepared = new Map();
const folder = process.env.ECHOSPACE_TRACES ?? resolve(root, '../shared/traces');

/**
 * Writes the edits of a trace, as `{ edits: [[position, deleted, inserted]...], end }`,
 * to where pages can fetch them. Gives its path there, or undefined if the trace is
 * not here. Traces that several people wrote at once have no order of edits that one
 * person can repeat, and are refused.
 */
export function prepareTrace(name) {
  if (!prepared.has(name)) prepared.set(name, prepare(name));
  return prepared.get(name);
}

function prepare(name) {
  const file = join(folder, `${name}.json.gz`);
  if (!existsSync(file)) {
    console.error(`${name} is not here: set ECHOSPACE_TRACES to the folder that has it`);
    return undefined;
  }
  const { kind = 'sequential', startContent, endContent, txns } = JSON.parse(gunzipSync(readFileSync(file)));
  if (kind !== 'sequential') throw new Error(`${file} is ${kind}`);
  if (startContent) txns.unshift({ patches: [[0, 0, startContent]] });
  const edits = inCodeUnits(txns.flatMap(({ patches }) => patches));
  const path = `${output}/${name}.json`;
  mkdirSync(join(root, output), { recursive: true });
  writeFileSync(join(root, path), JSON.stringify({ edits, end: endContent }));
  return path;
}

/**
 * Traces count characters, JavaScript counts UTF-16 code units. As long as no
 * character needs two of them both are the same; else the text is followed.
 */
function inCodeUnits(edits) {
  if (!edits.some(([, , inserted]) => /[\u{10000}-\u{10ffff}]/u.test(inserted))) return edits;
  const characters = [];
  const units = (from, end) => characters.slice(from, end).join('').length;
  return edits.map(([position, deleted, inserted]) => {
    const converted = [units(0, position), units(position, position + deleted), inserted];
    characters.splice(position, deleted, ...inserted);
    return converted;
  });
}
