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
//
// Labels separate domains: SumLabel and Derive feed each label and part with
// its length (four bytes, big-endian) in front, so that no two lists of parts
// run together.
//
// # Caveats
//
// Public keys that are non-canonical or of low order are refused although
// RFC 7748 and some Ed25519 verifiers accept them: with them one signature or
// one shared secret fits many keys. A Keyring does not encrypt names: they
// show in the keys of the Store.
package keys
