// Package pebblestore is storage.Store on Pebble, an LSM tree in a directory,
// for native peers. It does not exist for js, where jsbridge/idbstore stands.
//
// Open gives a Store. One process has a directory open at a time.
//
// A Relaxed Apply returns when the operating system has the write-ahead record,
// so the death of the process loses nothing; a Strict one also after fsync.
// Concurrent Strict calls share an fsync. A strict write makes every earlier
// one last as well.
//
// Once the write-ahead log failed (full disk, broken disk) the Store refuses
// every later call with the same kind, because what the log holds is unknown:
// close it, make room, open it again. Nothing acknowledged is lost by that.
package pebblestore
