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

function read(name) {
  const file = join(folder, `${name}.json.gz`);
  if (existsSync(file)) return JSON.parse(gunzipSync(readFileSync(file)));
  console.error(`${name} is not here: set ECHOSPACE_TRACES to the folder that has it`);
  return undefined;
}

function write(name, content) {
  const path = `${output}/${name}.json`;
  mkdirSync(join(root, output), { recursive: true });
  writeFileSync(join(root, path), JSON.stringify(content));
  return path;
}

function prepare(name) {
  const trace = read(name);
  if (!trace) return undefined;
  const { kind = 'sequential', startContent, endContent, txns } = trace;
  if (kind !== 'sequential') throw new Error(`${name} is ${kind}`);
  if (startContent) txns.unshift({ patches: [[0, 0, startContent]] });
  const edits = inCodeUnits(txns.flatMap(({ patches }) => patches));
  return write(name, { edits, end: endContent });
}

/**
 * Writes a trace of several people, as `{ start, agents, burst, changes: [{ agent, parents,
 * edits }...], end }`. Gives its path, or undefined if the trace is not here. Its text has
 * no character of two code units, so that positions are the same in both.
 */
export function prepareConcurrent(name) {
  if (!prepared.has(name)) {
    const trace = read(name);
    prepared.set(name, trace && write(name, concurrent(name, trace)));
  }
  return prepared.get(name);
}

function concurrent(name, { startContent = '', endContent, numAgents, txns }) {
  if (/[\u{10000}-\u{10ffff}]/u.test(JSON.stringify(txns))) throw new Error(`${name} is not of code units`);
  const changes = txns.map(({ agent, parents, patches }) => ({ agent, parents, edits: patches }));
  return { start: startContent, agents: numAgents, burst: 100, changes, end: endContent };
}

/** Writes a trace in which two people edit one text apart: `count` times each, most of it typing. */
export function prepareBranches(count) {
  const name = `branches-${count}`;
  if (!prepared.has(name)) prepared.set(name, write(name, branches(count)));
  return prepared.get(name);
}

function branches(count) {
  const start = 'so it goes, says who. '.repeat(800);
  let state = 1;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const changes = [];
  for (const agent of [0, 1]) {
    let { length } = start;
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (i % 20 === 0) at = random(length);
      const erase = at > 0 && random(6) === 0;
      const parents = i === 0 ? [] : [changes.length - 1];
      changes.push({ agent, parents, edits: [erase ? [--at, 1, ''] : [at++, 0, 'abcdefgh'[random(8)]]] });
      length += erase ? -1 : 1;
    }
  }
  return { start, agents: 2, burst: 500, changes };
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
