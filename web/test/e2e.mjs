// Runs the tests in real browsers, one file after the other, since each has a
// browser and the machine may be small. Arguments go to Node's test runner:
//
//   node web/test/e2e.mjs --test-name-pattern=I07
//
// Results are written to web/test-output/e2e.jsonl too.

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reporterOptions } from './reporter.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const results = join(root, 'web/test-output/e2e.jsonl');

const files = [
  'thepage',
  'client',
  'bothkinds',
  'invitations',
  'inviting',
  'credentials',
  'halo',
  'recovery',
  'spaces',
  'members',
  'objects',
  'archives',
  'history',
  'undo',
  'network',
  'storage',
  'locking',
  'devicekeys',
  'snapshots',
  'profiles',
  'loading',
  'plain',
  'demo',
].map((name) => join(root, 'web/test/e2e', `${name}.mjs`));

mkdirSync(dirname(results), { recursive: true });
rmSync(results, { force: true });
const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    '--test-concurrency=1',
    '--test-reporter=spec',
    ...reporterOptions,
    ...process.argv.slice(2),
    ...files,
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ECHOSPACE_RESULTS: results } },
);
process.exitCode = status ?? 1;
