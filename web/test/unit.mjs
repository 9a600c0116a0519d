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

// Each file is a process of its own that ends with its last test, since timers
// of the module would keep Node alive. (Forced by a parent runner, the end can
// come before other files were heard.)
const options = [
  '--enable-source-maps',
  '--test-force-exit',
  '--test-reporter=spec',
  ...process.argv.slice(2),
];
const failed = readdirSync(join(root, out)).filter((name) => {
  const { status } = spawnSync(process.execPath, [...options, join(out, name)], {
    cwd: root,
    stdio: 'inherit',
    timeout: 120_000,
  });
  return status !== 0;
});
if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`);
