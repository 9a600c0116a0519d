// Package webkeys is keys.KeyStore and keys.DeviceKeys in the page: a 256-bit
// AES-GCM key and Ed25519 keys of WebCrypto that are not extractable, kept as
// CryptoKeys in IndexedDB.
//
// No script can read a key's bytes, not even one that runs in the page; it
// could only use the key while it runs. That is all: browsers write the key to
// the profile's files in clear, so a copied profile gives it up. See
// SECURITY.md.
//
// New fails with errs.InsecureContext where there is no crypto.subtle.
//
// What Seal gives: version 1 (one byte), nonce (12 random bytes), ciphertext
// with its 16-byte tag. Source: W3C, Web Cryptography API.
//
// Except for this file the package exists only for js.
package webkeys
