// Writes what tests that run as wasm put into Go's library (std.mjs), and prints the path
// of the list that `go test -overlay` takes.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { writeOverlay } from './std.mjs';

const goroot = execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim();
const folder = join(import.meta.dirname, '../.cache/std-tests');
process.stdout.write(writeOverlay(goroot, folder, { forTests: true }));
