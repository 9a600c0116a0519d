import { EchospaceError } from './errors.js';
import type { RawRecoveryPhrase } from './raw.js';
import type { Runtime } from './runtime.js';

/**
 * The word list of recovery phrases, as the core takes it (`core/keys/mnemonic`). It is
 * loaded at first use.
 *
 * @throws WASM_UNAVAILABLE if `wordlist.js` is not beside the package.
 */
export async function loadWords(): Promise<Uint8Array> {
  try {
    const { words } = await import('./wordlist.js');
    return new TextEncoder().encode(words);
  } catch (cause) {
    throw new EchospaceError(
      'WASM_UNAVAILABLE',
      'the word list of recovery phrases cannot be loaded; copy wordlist.js beside the package',
      { cause },
    );
  }
}

/**
 * What a person typed, in Unicode's form KD, as BIP-39 has it: the core has no tables for
 * that in a page. Case and white space are its affair.
 */
export function typedPhrase(what: string, text: unknown): string {
  if (typeof text !== 'string')
    throw new EchospaceError('INVALID_ARGUMENT', `${what}: a recovery phrase must be a string`);
  return text.normalize('NFKD');
}

/**
 * A recovery phrase that is to become the one of the identity, once its words were typed
 * back. Until then nothing of it is stored, and it recovers nothing.
 */
export class RecoveryPhrase {
  /** The twelve words, to be shown once, and written down. */
  readonly words: readonly string[];

  readonly #runtime: Runtime;
  readonly #raw: RawRecoveryPhrase;

  /** @internal */
  constructor(runtime: Runtime, raw: RawRecoveryPhrase) {
    this.#runtime = runtime;
    this.#raw = raw;
    this.words = [...raw.words];
  }

  /**
   * Takes the words as the person typed them back: case and white space do not matter. If
   * they are right, the phrase is that of the identity from now on, and the one before it
   * recovers nothing any more. Resolves when what it recovers is stored in every open
   * space; whoever is a member of one can then help.
   *
   * @throws INVALID_PHRASE with `reason` and `word`, the number of the first wrong word: it
   *   can be tried again. CANCELLED after {@link cancel}; CLOSED once it was confirmed;
   *   NOT_PERMITTED on a device that was removed.
   */
  async confirm(typed: string | readonly string[]): Promise<void> {
    const text = typedPhrase('confirm', Array.isArray(typed) ? typed.join(' ') : typed);
    await this.#runtime.guard(this.#runtime.call(() => this.#raw.confirm(text)));
  }

  /** Forgets the phrase. */
  cancel(): void {
    this.#runtime.call(() => this.#raw.cancel());
  }
}
