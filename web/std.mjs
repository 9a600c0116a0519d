// Takes out of the standard library, for the page's module alone, what a page has not
// and what uses it. GODEBUG: settings are the default, and no metrics count others, so
// that the runtime's metrics go too. Execution traces, which nobody starts. Files, from which
// random numbers come on other systems, and to which reports of crashes go. FIPS 140 mode: the
// comparison of the code with its checksum, the generator of random numbers on AES, and the
// tests of itself of every algorithm, which drag in others; SHA-3 with them. And the NIST curves
// of crypto/ecdh: the page uses X25519, but their package initializes a table of
// 88 KB for P-256, which no compressor makes smaller and no linker drops. Whoever
// asks for one of these curves in code of the page gets a compile error. Package fmt, which
// drags in reflect and all of strconv, is a smaller one (std/fmt.go.txt).
//
// One thing is put in: a multiplication for Curve25519 that suits wasm (field.mjs). Tests,
// which need the rest of the library as it is, take that alone (overlay.mjs).

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FIELD } from './field.mjs';

const FIPS = 'crypto/internal/fips140';

/** What each file of the library holds for the module, by its path below GOROOT/src. */
const FILES = {
  'fmt/errors.go': 'package fmt\n',
  'fmt/format.go': 'package fmt\n',
  'fmt/scan.go': 'package fmt\n',
  [`${FIPS}/drbg/cast.go`]: 'package drbg\n',
  [`${FIPS}/drbg/ctrdrbg.go`]: 'package drbg\n',
  [`${FIPS}/drbg/entropy_wasm.go`]: 'package drbg\n',
  'crypto/internal/sysrand/rand.go': `package sysrand

// Read fills b with what the browser draws, which neither waits nor fails.
func Read(b []byte) {
	if err := read(b); err != nil {
		panic(err)
	}
}
`,
  'runtime/debug/stack.go': `package debug

import "runtime"

// Stack gives the trace of the goroutine that calls it.
func Stack() []byte {
	for size := 4 << 10; ; size *= 2 {
		trace := make([]byte, size)
		if n := runtime.Stack(trace, false); n < size {
			return trace[:n]
		}
	}
}
`,
  [`${FIPS}/check/check.go`]: `package check

// Verified is whether the code was compared with its checksum, which FIPS 140 mode alone asks for.
const Verified = false
`,
  [`${FIPS}/drbg/rand.go`]: `package drbg

import (
	"crypto/internal/sysrand"
	"io"
)

// DefaultReader is a reader that gives what Read does.
type DefaultReader interface{ defaultReader() }

// Read fills b with what the browser draws.
func Read(b []byte) { sysrand.Read(b) }

// ReadWithReader fills b from r.
func ReadWithReader(r io.Reader, b []byte) error {
	if _, ok := r.(DefaultReader); ok {
		Read(b)
		return nil
	}
	_, err := io.ReadFull(r, b)
	return err
}

// SetTestingReader is for tests, which have a library of their own.
func SetTestingReader(io.Reader) { panic("no tests run in the page's module") }
`,
  'crypto/internal/fips140hash/hash.go': `package fips140hash

import "hash"

// Unwrap gives what implements h: itself, since no hash of the page is wrapped.
func Unwrap(h hash.Hash) hash.Hash { return h }

// UnwrapNew is Unwrap for what makes hashes.
func UnwrapNew[Hash hash.Hash](newHash func() Hash) func() hash.Hash {
	return func() hash.Hash { return newHash() }
}
`,
  [`${FIPS}/aes/cast.go`]: 'package aes\n',
  [`${FIPS}/aes/gcm/cast.go`]: 'package gcm\n',
  [`${FIPS}/hkdf/cast.go`]: 'package hkdf\n',
  [`${FIPS}/hmac/cast.go`]: 'package hmac\n',
  [`${FIPS}/sha256/cast.go`]: 'package sha256\n',
  [`${FIPS}/sha3/cast.go`]: 'package sha3\n',
  [`${FIPS}/sha512/cast.go`]: 'package sha512\n',
  'internal/godebug/godebug.go': `package godebug

// Setting is one of GODEBUG, which is empty in a page.
type Setting struct{ name string }

// New is the setting of a name.
func New(name string) *Setting { return &Setting{name} }

// Name gives the name, without the # of one that is not documented.
func (s *Setting) Name() string {
	if s.Undocumented() {
		return s.name[1:]
	}
	return s.name
}

// Undocumented reports whether the name begins with #.
func (s *Setting) Undocumented() bool { return s.name != "" && s.name[0] == '#' }

// String is name=value.
func (s *Setting) String() string { return s.Name() + "=" }

// IncNonDefault counts a use of another behaviour: there is none.
func (s *Setting) IncNonDefault() {}

// Value is empty: the default.
func (s *Setting) Value() string { return "" }
`,
  'compress/flate/deflatefast.go': `package flate

type deflateFast struct{}

func newDeflateFast() *deflateFast { panic("BestSpeed is left out of the page's module") }

func (*deflateFast) encode(dst []token, src []byte) []token { return dst }

func (*deflateFast) reset() {}
`,
  'crypto/ecdh/nist.go': 'package ecdh\n',
  'crypto/internal/fips140/ecdh/cast.go': 'package ecdh\n',
  'crypto/internal/fips140/ecdh/ecdh.go': `package ecdh

// Keys of crypto/ecdh have a field of these types, which X25519 leaves nil.
type (
	PrivateKey struct{}
	PublicKey  struct{}
)
`,
};

/** Functions that stand in the place of others of a file, by its path. */
const FUNCTIONS = { [`${FIPS}/edwards25519/field/fe_generic.go`]: FIELD };

/**
 * The same for the page alone: a time's text for errors, which drags in all layouts otherwise, and rules of
 * time zones, since the browser names an offset. The runtime asks itself everywhere whether it is traced, and the
 * compiler leaves out what comes if it is, but in what sweeps a span. Without them also what GODEBUG would have the
 * runtime print or look for, and its comparison of the types of several modules.
 */
const PAGE_FUNCTIONS = {
  'time/format.go': `
func (t Time) String() string { return string(t.appendFormatRFC3339(nil, true)) }
`,
  'time/zoneinfo.go': `
func tzset(s string, lastTxSec, sec int64) (name string, offset int, start, end int64, isDST, ok bool) { return }
`,
  'runtime/traceruntime.go': `
//go:nosplit
func traceEnabled() bool { return false }

//go:nosplit
func traceAllocFreeEnabled() bool { return false }

func traceShuttingDown() bool { return false }

//go:nosplit
func (tl traceLocker) ok() bool { return false }
`,
  'runtime/traceallocfree.go': `
func (tl traceLocker) SpanFree(s *mspan) {}
`,
  'runtime/proc.go': `
func schedtrace(detailed bool) {}
`,
  'runtime/mcheckmark.go': `
func checkFinalizersAndCleanups() {}
`,
  'runtime/type.go': `
func typelinksinit() {}
`,
};

/** Puts functions into a file of Go, in the place of those of the same names and of the directives above them. */
export function withFunctions(original, functions) {
  let rest = original;
  for (const [head, name] of functions.matchAll(/^func ((?:\([^)]*\) )?\w+)\(/gm)) {
    const parts = rest.split(new RegExp(`(?:^//.*\n)*^${head.replace(/[()*]/g, '\\$&')}[^]*?^}\n`, 'm'));
    if (parts.length !== 2) throw new Error(`${parts.length - 1} functions ${name} where there is to be one`);
    rest = parts.join('');
  }
  return rest + functions;
}

/** What stands in the place of package fmt, by its path from the root of the repository. */
const FMT = 'web/std/fmt.go.txt';

/** Writes the files and the list of them that `go build -overlay` takes into `folder`; gives the list's path. */
export function writeOverlay(goroot, folder, { forTests = false, root = '.' } = {}) {
  mkdirSync(folder, { recursive: true });
  const replace = {};
  const put = (path, make) => {
    const original = join(goroot, 'src', path);
    if (!existsSync(original)) throw new Error(`${path} is not in this version of Go's library`);
    replace[original] = join(folder, path.replaceAll('/', '_'));
    writeFileSync(replace[original], make(original));
  };
  const parts = forTests ? FUNCTIONS : { ...FUNCTIONS, ...PAGE_FUNCTIONS };
  for (const [path, functions] of Object.entries(parts)) {
    put(path, (original) => withFunctions(readFileSync(original, 'utf8'), functions));
  }
  for (const [path, content] of Object.entries(forTests ? {} : FILES)) put(path, () => content);
  if (!forTests) put('fmt/print.go', () => readFileSync(join(root, FMT), 'utf8'));
  const list = join(folder, 'overlay.json');
  writeFileSync(list, JSON.stringify({ Replace: replace }));
  return list;
}
