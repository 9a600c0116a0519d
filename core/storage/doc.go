// Package storage is the border to durable storage: an ordered map of byte
// keys to byte values, with atomic batches.
//
// Implementations: memstore (tests), pebblestore (native), and in the page
// jsbridge/idbstore. All pass storetest, which is the contract in code.
package storage
