// Package mnemonic turns 128 bits into the twelve words of a recovery phrase and back,
// and the words into the recovery keys. Source: BIP-39 (Palatinus, Rusnak, Voisine, Bowe,
// 2013), with the English word list and no passphrase.
//
// In order of use: [NewList] or, natively, [English] gives the [List]; [New] makes a
// [Phrase] of entropy and [Parse] one of what a person typed; [Phrase.Text] is what to
// show once, and [Phrase.Keys] the keys.
//
// # Keys
//
//	seed  PBKDF2-HMAC-SHA512 of the words, joined by one space; salt "mnemonic";
//	      2,048 rounds; 64 bytes, as BIP-39 has it
//	key   Ed25519, of the 32 bytes that keys.Derive makes of the seed and the label
//	      "echospace recovery key v1"
//	seal  X25519, likewise with "echospace recovery sealing key v1"
//
// # The word list
//
// english.txt is the list of BIP-39 as it stands in bitcoin/bips and in its reference
// implementation trezor/python-mnemonic, which is under the MIT licence: 2,048 words, one
// a line. It is no part of the page's module: the page loads it when a phrase is made or
// read and hands it to NewList, which takes no other list, told by its SHA-256.
//
// # Caveats
//
// A Phrase and what Text gives are secrets: never log or store them. No error here holds
// a word. Four bits of checksum find 15 of 16 wrong words; a key that no space knows is
// the other sign. Natively Parse brings text into Unicode's form KD; in the page,
// which has String.prototype.normalize, the caller does.
package mnemonic
