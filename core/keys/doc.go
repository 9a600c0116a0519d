// Package keys is the cryptography of Echospace: hashes, key derivation,
// sealing, signatures and the keyring. Everything else calls it and no
// primitive directly.
//
// In order of use: [Sum] and [SumLabel] hash; [Derive] makes a key from a key;
// [Secret] is a symmetric key, [Seal] and [Open] use it; [SigningKey] and
// [Verify] are Ed25519; [SealingKey] and [SealTo] encrypt to a device;
// [KeyStore] guards the one key at rest, and [Keyring] keeps every other one
// under it.
//
// # Primitives
//
//	hash         BLAKE2b-256 (RFC 7693)
//	derivation   HKDF-SHA256 (RFC 5869), empty salt
//	sealing      XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), random nonce
//	signature    Ed25519 (RFC 8032, section 5.1.7), cofactorless
//	agreement    X25519 (RFC 7748)
//	passphrase   Argon2id (RFC 9106), 3 passes over 64 MiB, one lane
//
// Labels separate domains: SumLabel and Derive feed each label and part with
// its length (four bytes, big-endian) in front, so that no two lists of parts
// run together.
//
// # A locked keyring
//
// Its roots are under a random master key and that under the KeyStore, so that both are
// needed. The master key lies in keyslots, as LUKS has them: each is sealed under what
// a passphrase or a passkey gives, and under the KeyStore, so that a guess needs the
// KeyStore too. Whatever changes replaces all of it in one write.
//
// # Caveats
//
// Public keys that are non-canonical or of low order are refused although
// RFC 7748 and some Ed25519 verifiers accept them: with them one signature or
// one shared secret fits many keys. A Keyring does not encrypt names: they
// show in the keys of the Store. Locking a keyring does not make new secrets: a copy of
// the Store from before opens what it opened. Secrets are zeroed once they have served:
// passphrases and what is derived from them, agreed keys, plain records of the keyring,
// and at its end the keys that it held. Out of reach are copies that Go makes as memory
// moves, strings, keys within crypto/ecdh and the Noise library, and, while the profile is
// open, the keys that are in use.
package keys
