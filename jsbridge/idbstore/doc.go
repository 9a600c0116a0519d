// Package idbstore is storage.Store on IndexedDB.
//
// Open opens a database by name; all tabs of an origin may have it open at
// once. It has two object stores: "kv" holds the records, under binary keys,
// which IndexedDB orders bytewise, and "keys" holds CryptoKeys for
// jsbridge/webkeys. DeleteDatabase removes everything.
//
// An IndexedDB transaction dies when anything but its own requests is awaited
// inside it, and costs about a millisecond. So a Scan is one transaction of two
// requests, and an Apply one transaction in which nothing is awaited; Apply
// calls that come while one is under way are committed together in the next
// transaction. If such a group fails each of its batches is tried alone, so that
// every call stays all or nothing by itself.
//
// While a Store writes, a mark lies among the keys; guard.go says what for.
//
// Relaxed and Strict are the durability hints of the same names. Quota shows
// when a transaction aborts, and is errs.StorageFull. Another tab that upgrades
// or deletes the database closes this Store: Options.Lost says so once, and
// later calls fail with errs.VersionUnsupported or errs.StorageUnavailable.
//
// Source: W3C, Indexed Database API 3.0.
//
// Except for this file the package exists only for js.
package idbstore
