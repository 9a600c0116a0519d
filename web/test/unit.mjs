// Bundles web/test/unit/*.test.ts and runs them with Node's test runner.
// Arguments go to the runner: `npm test -- --test-name-pattern=O01`.

import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundleOptions } from '../build.mjs';

const sources = 'web/test/unit';
const out = 'web/test-output/unit';
const root = bundleOptions.absWorkingDir;

rmSync(join(root, out), { recursive: true, force: true });
await build({
  ...bundleOptions,
  entryPoints: readdirSync(join(root, sources))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${sources}/${name}`),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  packages: 'external',
  sourcemap: 'inline',
});
const files = readdirSync(join(root, out)).map((name) => join(out, name));
const { status } = spawnSync(
  process.execPath,
  [
    '--enable-source-maps',
    '--test',
    '--test-force-exit',
    '--test-timeout=60000',
    '--test-reporter=spec',
    ...process.argv.slice(2),
    ...files,
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
