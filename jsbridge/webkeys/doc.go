// Package webkeys is keys.KeyStore in the page: a 256-bit AES-GCM key of
// WebCrypto that is not extractable, kept as a CryptoKey in IndexedDB.
//
// No script can read the key's bytes, not even one that runs in the page; it
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
