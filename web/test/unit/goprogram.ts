import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** A program that grows stacks, lets the collector run, recovers a panic, and ends with another. */
export const traced = './web/test/unit/testdata/traced';

/** A program that waits, panics and jumps in many ways, and ends with a panic for nil. */
export const branches = './web/test/unit/testdata/branches';

export const goroot = () => execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim();

/** Builds a Go program for WebAssembly as `file`. */
export function buildGo(program: string, file: string): void {
  mkdirSync('web/test-output', { recursive: true });
  const env = { ...process.env, GOOS: 'js', GOARCH: 'wasm' };
  execFileSync('go', ['build', '-o', file, program], { env });
}

/** Runs a Go program in Node, as Go's own launcher does. */
export function runGo(file: string): { stdout: string; stderr: string; status: number | null } {
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
  return spawnSync(process.execPath, [`${goroot()}/lib/wasm/wasm_exec_node.js`, file], {
    encoding: 'utf8',
    env,
  });
}
