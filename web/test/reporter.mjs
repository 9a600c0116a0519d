// A reporter for Node's test runner: appends a line of JSON for each test to the
// file that ECHOSPACE_RESULTS names, and prints nothing.

import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';

export default async function* results(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const result = data.skip !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
    const file = data.file && basename(data.file);
    const line = { name: data.name, result, ms: Math.round(data.details.duration_ms), file };
    appendFileSync(process.env.ECHOSPACE_RESULTS, `${JSON.stringify(line)}\n`);
  }
  yield '';
}

/** What a runner passes to Node beside `--test-reporter=spec` to have results written too. */
export const reporterOptions = [
  '--test-reporter-destination=stdout',
  `--test-reporter=${new URL(import.meta.url)}`,
  '--test-reporter-destination=stderr',
];
