import english from '../../core/keys/mnemonic/english.txt';

/**
 * The English word list of BIP-39, one word a line. It is a file of its own beside the
 * package (`wordlist.js`), which is loaded when a recovery phrase is made or read.
 */
export const words: string = english;
