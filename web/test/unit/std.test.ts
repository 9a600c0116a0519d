import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { withFunctions, writeOverlay } from '../../std.mjs';
import { goroot, runGo } from './goprogram.js';

/** How P-256's table of multiples begins: the base point's coordinates in Montgomery form. */
const tableOfP256 = Buffer.from('3c14a918d430e779', 'hex');

describe('the standard library of the page', () => {
  let folder: string;
  let overlay: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'echospace-std-'));
    overlay = writeOverlay(goroot(), folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const env = { ...process.env, GOOS: 'js', GOARCH: 'wasm' };
  const go = (...args: string[]) => spawnSync('go', [...args], { encoding: 'utf8', env });

  test('X25519 is there: RFC 7748, section 5.2, after one iteration', () => {
    const built = join(folder, 'x25519');
    assert.equal(
      go('build', `-overlay=${overlay}`, '-o', built, './web/test/unit/testdata/x25519').stderr,
      '',
    );
    const { stdout, stderr } = runGo(built);
    assert.equal(stdout, '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079\n', stderr);
  });

  test('whoever uses P-256 is told by the compiler', () => {
    const { status, stderr } = go(
      'build',
      `-overlay=${overlay}`,
      '-o',
      join(folder, 'p256'),
      './web/test/unit/testdata/p256',
    );
    assert.notEqual(status, 0);
    assert.match(stderr, /undefined: ecdh\.P256/);
  });

  test('the module does without the table of P-256, which a program has otherwise', () => {
    const whole = join(folder, 'whole');
    assert.equal(go('build', '-o', whole, './web/test/unit/testdata/x25519').status, 0);
    assert.ok(readFileSync(whole).includes(tableOfP256));
    assert.ok(!readFileSync('web/dist/echospace.wasm').includes(tableOfP256));
  });

  test('the module has nothing of what nobody can ask for in a page', () => {
    const linked = readFileSync('web/dist/echospace.names.txt', 'utf8').split('\n');
    const left =
      /^\S+ (runtime\.(traceAdvance|traceLocker\.eventWriter|typesEqual)|os\.|internal\/poll\.|time\.tzsetName|crypto\/internal\/fips140\/check\.)/;
    assert.deepEqual(
      linked.filter((name) => left.test(name)),
      [],
    );
  });

  test('package fmt prints what the library prints', () => {
    const prints = (name: string, ...args: string[]) => {
      const built = join(folder, name);
      assert.equal(go('build', ...args, '-o', built, './web/test/unit/testdata/format').stderr, '');
      const { stdout, stderr } = runGo(built);
      assert.equal(stderr, '');
      return stdout.split('\n');
    };
    const library = prints('library');
    assert.ok(library.length > 1500, `${library.length} lines`);
    assert.deepEqual(prints('page', `-overlay=${overlay}`), library);
  });

  test('a function takes the place of the one of its name, and of nothing else', () => {
    const original = 'package p\n\nfunc f() {\n\tg()\n}\n\nfunc fg() {}\n';
    assert.equal(
      withFunctions(original, '\nfunc f() {\n}\n'),
      'package p\n\n\nfunc fg() {}\n\nfunc f() {\n}\n',
    );
    assert.throws(() => withFunctions(original, 'func g() {\n}\n'), /0 functions g/);
  });

  test('a function goes with the directives above it, which would be those of what follows', () => {
    const original = 'package p\n\n// f is f.\n//\n//go:nosplit\nfunc f() {\n\tg()\n}\n\ntype t int\n';
    assert.equal(
      withFunctions(original, '\nfunc f() {\n}\n'),
      'package p\n\n\ntype t int\n\nfunc f() {\n}\n',
    );
  });

  test('a library without one of the files is refused', () => {
    assert.throws(() => writeOverlay(folder, join(folder, 'other')), /\.go is not in/);
  });
});
