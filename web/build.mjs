// Builds web/dist: the page's module, its types, the core as wasm, and
// compressed copies for servers that send those.
//
//   node web/build.mjs            all of it
//   node web/build.mjs js types   only these parts (js, types, wasm, compress, demo)

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompressSync, constants as zlib } from 'node:zlib';
import zopfli from '@gfx/zopfli';
import { build } from 'esbuild';
import { shortenBranches } from './branches.mjs';
import { foldFunctions } from './functab.mjs';
import { joinSegments } from './segments.mjs';
import { writeOverlay } from './std.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'web', 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function run(command, args, env = {}) {
  execFileSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
}

/**
 * Puts Go's wasm_exec.js, unchanged, into a function: a page that imports the
 * package gets none of its globals before a client is initialized.
 */
const wasmExec = {
  name: 'wasm_exec',
  setup(builder) {
    builder.onResolve({ filter: /^wasm_exec$/ }, () => ({
      path: join(root, 'wasm_exec.js'),
      sideEffects: false,
    }));
    builder.onLoad({ filter: /[\\/]wasm_exec\.js$/ }, ({ path }) => ({
      contents: `export function defineGo() {\n${readFileSync(path, 'utf8')}\n}\n`,
    }));
  },
};

/** Leaves the package out of a bundle that lies beside it. */
const besidePackage = {
  name: 'beside-package',
  setup(builder) {
    builder.onResolve({ filter: /^@echospace\/client$/ }, () => ({ path: './index.js', external: true }));
  },
};

/** Leaves what the package loads only when it is needed in files of their own. */
const besideIndex = {
  name: 'beside-index',
  setup(builder) {
    builder.onResolve({ filter: /^\.\/(qr|wordlist)\.js$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** Options for whatever bundles this package's sources: the package itself, and the unit tests. */
export const bundleOptions = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  define: { ECHOSPACE_VERSION: JSON.stringify(version) },
  plugins: [wasmExec],
  logLevel: 'warning',
};

/** Packages with inner loops. The others are compiled without inlining, which saves a tenth of the download. */
const HOT = [
  ...[
    'runtime',
    'internal/runtime/...',
    'internal/bytealg',
    'internal/byteorder',
    'internal/sync',
    'sync/atomic',
  ],
  'compress/flate',
  ...['sha256', 'sha512', 'subtle'].map((name) => `crypto/internal/fips140/${name}`),
  ...['edwards25519/...', 'ed25519'].map((name) => `crypto/internal/fips140/${name}`),
  ...['crypto/internal/fips140deps/...', 'golang.org/x/crypto/...'],
  ...['encoding/binary', 'hash/maphash', 'math/bits', 'unicode/utf8'],
  ...['core/crdt', 'core/crdt/egwalker', 'core/crdt/flat', 'core/crdt/rope', 'core/wire'].map(
    (name) => `./${name}`,
  ),
];

/** The last pattern that a package matches decides. */
function inlining() {
  return ['-gcflags=all=-l', ...HOT.map((pattern) => `-gcflags=${pattern}=`)];
}

/** Keeps what takes long to compress under the hash of what it was made of. */
function cached(kind, content, make) {
  const folder = join(root, '.cache', 'compressed');
  const file = join(folder, `${createHash('sha256').update(content).digest('hex')}.${kind}`);
  if (existsSync(file)) return readFileSync(file);
  const keep = (made) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, made);
    return made;
  };
  const made = make();
  return made instanceof Promise ? made.then(keep) : keep(made);
}

/** Gzip by Zopfli: what every gzip reader reads, a twentieth smaller than zlib's best. */
const zopfliGzip = (content) =>
  promisify(zopfli.gzip)(content, { numiterations: 15 }).then((out) => Buffer.from(out));

/** Makes Go's module smaller, and keeps beside it what the short names of its functions stand for. */
function shortened(linked) {
  let folded;
  const joined = joinSegments(linked, (memory) => {
    folded = foldFunctions(memory);
    return folded.code;
  });
  writeFileSync(join(dist, 'echospace.names.txt'), folded.names);
  return shortenBranches(joined, folded.program);
}

const parts = {
  async js() {
    const options = { ...bundleOptions, outdir: 'web/dist', minify: true, sourcemap: true };
    await build({ ...options, entryPoints: ['web/src/index.ts'], plugins: [wasmExec, besideIndex] });
    const notice =
      '/*! Contains qrcode-generator: Copyright (c) 2009 Kazuhiko Arase, MIT license, http://www.opensource.org/licenses/mit-license.php */';
    await build({ ...options, entryPoints: ['web/src/qr.ts'], banner: { js: notice } });
    await build({ ...options, entryPoints: ['web/src/wordlist.ts'], sourcemap: false });
  },

  types() {
    rmSync(join(dist, 'types'), { recursive: true, force: true });
    run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'web/tsconfig.types.json']);
    writeFileSync(join(dist, 'index.d.ts'), "export * from './types/index.js';\n");
  },

  wasm() {
    const linked = '.cache/echospace.wasm'; // as Go left it, so that Go sees whether it is up to date
    const env = { GOOS: 'js', GOARCH: 'wasm' };
    const goroot = execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim();
    const overlay = `-overlay=${writeOverlay(goroot, join(root, '.cache', 'std'), { root })}`;
    run('go', ['build', '-trimpath', overlay, '-ldflags=-s -w', ...inlining(), '-o', linked, './wasm'], env);
    writeFileSync(join(dist, 'echospace.wasm'), shortened(readFileSync(join(root, linked))));
  },

  async compress() {
    for (const name of ['echospace.wasm', 'index.js']) {
      const file = join(dist, name);
      const content = readFileSync(file);
      const params = {
        [zlib.BROTLI_PARAM_QUALITY]: 11,
        [zlib.BROTLI_PARAM_LGWIN]: 24, // the widest window that every browser takes
        [zlib.BROTLI_PARAM_NPOSTFIX]: 2,
        [zlib.BROTLI_PARAM_SIZE_HINT]: content.length,
      };
      writeFileSync(
        `${file}.br`,
        cached('br', content, () => brotliCompressSync(content, { params })),
      );
      writeFileSync(`${file}.gz`, await cached('gz', content, () => zopfliGzip(content)));
    }
  },

  /** The demo, which imports the package from beside it, as the page does. */
  async demo() {
    const download = join(dist, 'echospace.wasm.br');
    await build({
      ...bundleOptions,
      entryPoints: ['web/demo/demo.ts', 'web/demo/demo.css'],
      outdir: 'web/dist',
      define: { ENGINE_BYTES: String(existsSync(download) ? statSync(download).size : 0) },
      plugins: [besidePackage],
      minify: true,
    });
  },
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const named = process.argv.slice(2);
  mkdirSync(dist, { recursive: true });
  for (const name of named.length > 0 ? named : Object.keys(parts)) {
    if (!(name in parts)) throw new Error(`no part ${name}; there are ${Object.keys(parts).join(', ')}`);
    await parts[name]();
  }
}
