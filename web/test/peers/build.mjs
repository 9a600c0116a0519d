// Bundles every library with its adapter into web/test-output/peers, one module
// each, so that a page loads one of them and nothing of the others.

import { execFileSync } from 'node:child_process';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { root } from '../e2e/harness.mjs';
import { folder, libraries } from './libraries.mjs';

/** Where bundles and traces lie, below the root that the server serves. */
export const output = 'web/test-output/peers';

export function bundle() {
  execFileSync('go', ['build', '-o', `${output}/merge.wasm`, `./${relative(root, folder)}/merge`], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, GOOS: 'js', GOARCH: 'wasm' },
  });
  return build({
    absWorkingDir: root,
    entryPoints: libraries.map(({ file }) => join(folder, 'libraries', `${file}.mjs`)),
    outdir: output,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    // Automerge has its wasm inside of its JavaScript under this condition; the others do not know it.
    conditions: ['webpack'],
    loader: { '.wasm': 'binary' },
    external: ['@echospace/client', '/wasm_exec.js'],
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'warning',
  });
}
