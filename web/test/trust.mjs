// `make bench-trust`: what trust costs, natively and as wasm, in one table. The Go
// benchmarks run natively and, with the arithmetic of the page's module, in Node; opening
// and joining a space run in Chromium, from its own storage. Rounds interleave the two; a
// figure is the median and, in brackets, the least and the most of all rounds.
//
//   node web/test/trust.mjs [--rounds 3] [--only go,page] [--members 1000] [--credentials 5000]
//
// --members and --credentials are of the space that the page opens.

import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { root, Server } from './e2e/harness.mjs';
import { format, median, spread } from './figures.mjs';
import { opening } from './opening.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'go,page' },
    members: { type: 'string', default: '1000' },
    credentials: { type: 'string', default: '5000' },
  },
});
const rounds = Number(values.rounds);
const size = { members: Number(values.members), credentials: Number(values.credentials) };

/** What each benchmark measures, by its name, and how often it runs in a round. */
const benchmarks = [
  {
    package: './core/space',
    times: 2,
    rows: {
      TrustOpen: 'opening a space: 1,000 members, 5,000 credentials, all verified',
      TrustReopen: 'the same from its snapshot, which says that they were',
      TrustVerify: 'verifying 10,000 blocks of 10 feeds',
      TrustRotate: 'removing a member, with new keys for 1,000 devices',
    },
  },
  { package: './core/keys', times: 2, rows: { Unlock: 'unlocking with a passphrase (Argon2id)' } },
  {
    package: './core/credential',
    times: 5,
    rows: { Evaluate: 'evaluating 5,000 credentials' },
  },
  {
    package: './core/client',
    times: 20,
    rows: {
      'TrustHandshake/line=1': 'session handshake, both ends',
      'TrustHandshake/line=10': 'session handshake, both ends; a proof of 12 credentials',
    },
  },
];

/** Runs the benchmarks of a package, and gives milliseconds by name. */
function run(wasm, { package: pkg, times, rows }) {
  const names = [...new Set(Object.keys(rows).map((name) => name.split('/')[0]))];
  const flags = ['-run', '^$', '-bench', `^Benchmark(${names.join('|')})$`, '-benchtime', `${times}x`, pkg];
  const command = wasm ? ['.ci/wasmnode', flags] : ['go', ['test', ...flags]];
  const out = execFileSync(...command, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const found = out.matchAll(/^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(\S+) ns\/op/gm);
  return new Map([...found].map(([, name, ns]) => [name, Number(ns) / 1e6]));
}

/** Prints what the core costs on either platform. */
function core() {
  const figures = new Map();
  for (let round = 1; round <= rounds; round++) {
    for (const benchmark of benchmarks) {
      console.error(`trust, round ${round} of ${rounds}: ${benchmark.package}`);
      const [native, wasm] = [run(false, benchmark), run(true, benchmark)];
      for (const [name, what] of Object.entries(benchmark.rows)) {
        if (!native.has(name) || !wasm.has(name)) throw new Error(`${benchmark.package} did not run ${name}`);
        if (!figures.has(what)) figures.set(what, { native: [], wasm: [] });
        figures.get(what).native.push(native.get(name));
        figures.get(what).wasm.push(wasm.get(name));
      }
    }
  }
  console.log('\n| what trust costs, ms | native | wasm | ratio |\n| --- | --- | --- | --- |');
  for (const [what, { native, wasm }] of figures) {
    console.log(
      `| ${what} | ${spread(native)} | ${spread(wasm)} | ${format(median(wasm) / median(native))}x |`,
    );
  }
}

/** Prints what the page takes. */
async function page() {
  const rows = new Map();
  const server = await Server.start();
  try {
    await opening(server.url, { rounds, ...size }, (row, value) => {
      if (!rows.has(row)) rows.set(row, []);
      rows.get(row).push(value);
    });
  } finally {
    await server.stop();
  }
  console.log('\n| in the page, ms | Chromium |\n| --- | --- |');
  for (const [row, list] of rows) console.log(`| ${row} | ${spread(list)} |`);
}

const only = values.only.split(',');
if (only.includes('go')) core();
if (only.includes('page')) await page();
console.log(
  `\n${execFileSync('go', ['version'], { encoding: 'utf8' }).trim()}, Node ${process.version}, ${cpus().length} cores, ${rounds} rounds`,
);
