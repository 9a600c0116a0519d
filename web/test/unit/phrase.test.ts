import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { EchospaceError } from '../../src/errors.js';
import { loadWords, typedPhrase } from '../../src/phrase.js';

const listHash = '2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda';
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

interface Vector {
  name: string;
  phrase: string;
  entropy?: string;
  normalized?: boolean;
}

test('the word list is that of BIP-39, and lies beside the package, not in it', async () => {
  assert.equal(sha256(await loadWords()), listHash);
  const file = pathToFileURL('web/dist/wordlist.js').href;
  const { words } = (await import(file)) as { words: string };
  assert.equal(sha256(words), listHash);
  assert.doesNotMatch(readFileSync('web/dist/index.js', 'utf8'), /abandon.ability/);
});

test('H10 what is typed in other forms of the letters is the same phrase', () => {
  const { cases } = JSON.parse(readFileSync('core/keys/mnemonic/testdata/vectors.json', 'utf8')) as {
    cases: Vector[];
  };
  const wordsOf = (text: string) => typedPhrase('test', text).toLowerCase().trim().split(/\s+/);
  const plain = new Map(cases.filter((v) => /^[a-z ]+$/.test(v.phrase)).map((v) => [v.entropy, v.phrase]));
  const typed = cases.filter((v) => v.entropy !== undefined);
  assert.ok(typed.filter((v) => v.normalized).length >= 2);
  for (const { name, phrase, entropy } of typed)
    assert.deepEqual(wordsOf(phrase), plain.get(entropy)?.split(' '), name);
});

test('a phrase that is no string is refused', () => {
  for (const other of [undefined, null, 7, ['abandon']])
    assert.throws(
      () => typedPhrase('recover', other),
      (e) => e instanceof EchospaceError && e.code === 'INVALID_ARGUMENT',
    );
});
