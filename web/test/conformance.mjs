// Prints the conformance table: one line for each row with its number, the tests
// that hold it and where they ran (native: Go; wasm: Go in Chromium; unit:
// TypeScript in Node; browser: end to end), and the result.
//
//   node web/test/conformance.mjs           runs all tests that carry a row's number
//   node web/test/conformance.mjs --read    reads the results of the last run
//   node web/test/conformance.mjs --only browser,unit    runs these, reads the others
//
// A test holds the rows that its name carries: `TestInvite_I05_timeout`,
// `I07 I20 guest cancels`. The status is 1 if a row that is required fails or
// has no test, or if any test failed.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { reporterOptions } from './reporter.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const output = join(root, 'web/test-output');

/** How many rows each group has. */
const groups = { P: 6, C: 12, I: 28, H: 13, S: 18, O: 17, N: 14, T: 7 };

const row = (group, number) => group + String(number).padStart(2, '0');

/** Reads `I01-I10 S17` as the rows that it names. */
function rowsOf(text) {
  return text.split(/\s+/).flatMap((part) => {
    const [from, to = from] = part.split('-');
    const first = Number(from.slice(1));
    return Array.from({ length: Number(to.slice(1)) - first + 1 }, (_, i) => row(from[0], first + i));
  });
}

const allRows = Object.entries(groups).flatMap(([group, count]) => rowsOf(`${group}01-${row(group, count)}`));

/** The rows that must hold; the others are work to come. */
const required = new Set(
  rowsOf(`P01-P06 C01-C12 I01-I28 H01-H13 S01-S18 O01-O17 N01-N05 N07-N14 T01-T07`.trim()),
);

/** Rows that hold in part only, and what is open. */
const partly = {};

/** How each kind of test is run, and where its results go, one JSON object a line. */
const kinds = {
  native: { results: 'native.jsonl', command: ['go', 'test', '-json', './core/...'], go: true },
  wasm: {
    results: 'wasm.jsonl',
    command: ['.ci/wasmbrowser', '-json', './jsbridge/...', './core/transport/rtc'],
    go: true,
  },
  unit: { results: 'unit.jsonl', command: [process.execPath, 'web/test/unit.mjs', ...reporterOptions] },
  browser: { results: 'e2e.jsonl', command: [process.execPath, 'web/test/e2e.mjs'] },
};

/**
 * Runs the tests of a kind; tells whether all passed. What they print goes to
 * standard error, so that the table stands alone.
 */
function runTests({ results, command: [program, ...args], go }) {
  const file = join(output, results);
  mkdirSync(output, { recursive: true });
  rmSync(file, { force: true });
  const stdout = go ? openSync(file, 'w') : 2;
  const { status } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', stdout, 2],
    env: { ...process.env, ECHOSPACE_RESULTS: file },
  });
  return status === 0;
}

function readLines(results) {
  const file = join(output, results);
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

const goResults = { pass: 'passed', fail: 'failed', skip: 'skipped' };

/** The tests of a kind that carry numbers: `{ name, kind, rows, result }`. */
function readTests(kind, { results, go }) {
  const tests = readLines(results)
    .filter((line) => !go || (line.Test && !line.Test.includes('/') && goResults[line.Action]))
    .map((line) => (go ? { name: line.Test, result: goResults[line.Action] } : line));
  return tests
    .map(({ name, result }) => ({ name, kind, result, rows: go ? goRows(name) : nodeRows(name) }))
    .filter(({ rows }) => rows.length > 0);
}

function goRows(name) {
  return name.split('_').filter((part) => allRows.includes(part));
}

function nodeRows(name) {
  const words = name.split(' ');
  const end = words.findIndex((word) => !allRows.includes(word));
  return end < 0 ? words : words.slice(0, end);
}

/** The result of a row: `passed`, `failed`, `none` (required and untested) or `open`. */
function resultOf(number, tests) {
  if (tests.some(({ result }) => result === 'failed')) return 'failed';
  const held = tests.some(({ result }) => result === 'passed');
  if (!required.has(number)) return 'open';
  return held ? 'passed' : 'none';
}

function heldBy(tests) {
  if (tests.length === 0) return '-';
  return tests
    .map(({ name, kind, result }) => `${name} (${kind}${result === 'passed' ? '' : `, ${result}`})`)
    .join('; ');
}

function main() {
  const { values } = parseArgs({ options: { read: { type: 'boolean' }, only: { type: 'string' } } });
  const broken = [];
  const chosen = values.read ? [] : (values.only?.split(',') ?? Object.keys(kinds));
  for (const kind of chosen) {
    if (!kinds[kind]) throw new Error(`--only ${kind}: want ${Object.keys(kinds).join(', ')}`);
    if (!runTests(kinds[kind])) broken.push(kind);
  }
  const tests = Object.entries(kinds).flatMap(([kind, how]) => readTests(kind, how));
  const counts = {};
  for (const number of allRows) {
    const own = tests.filter(({ rows }) => rows.includes(number));
    const result = resultOf(number, own);
    const note = partly[number] ? ` (${partly[number]})` : '';
    counts[result] = (counts[result] ?? 0) + 1;
    process.stdout.write(`${number}\t${heldBy(own)}\t${result}${note}\n`);
  }
  const summary = Object.entries(counts).map(([result, count]) => `${count} ${result}`);
  process.stderr.write(`${allRows.length} rows: ${summary.join(', ')}\n`);
  if (broken.length > 0) process.stderr.write(`not all passed: ${broken.join(', ')}\n`);
  process.exitCode = counts.failed || counts.none || broken.length > 0 ? 1 : 0;
}

main();
