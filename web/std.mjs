// Takes the NIST curves out of the standard library's crypto/ecdh, for the
// page's module alone: it uses X25519, but their package initializes a table
// of 88 KB for P-256, which no compressor makes smaller and no linker drops.
// Whoever asks for one of these curves in code of the page gets a compile error.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What each file of the library holds for the module, by its path below GOROOT/src. */
const FILES = {
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

/** Writes the files and the list of them that `go build -overlay` takes into `folder`; gives the list's path. */
export function writeOverlay(goroot, folder) {
  mkdirSync(folder, { recursive: true });
  const replace = {};
  for (const [path, content] of Object.entries(FILES)) {
    const original = join(goroot, 'src', path);
    if (!existsSync(original)) throw new Error(`${path} is not in this version of Go's library`);
    replace[original] = join(folder, path.replaceAll('/', '_'));
    writeFileSync(replace[original], content);
  }
  const list = join(folder, 'overlay.json');
  writeFileSync(list, JSON.stringify({ Replace: replace }));
  return list;
}
