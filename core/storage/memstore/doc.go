// Package memstore is storage.Store in memory, for tests and for storage that
// need not last.
//
// A Disk is what outlives a Store: several Stores may be open on one Disk, as
// several tabs are on one database. New gives a Store with a Disk of its own.
// FaultStore is a Store that fails on request: full, failing, forgetting its
// last batches as after a power cut, or damaging a record.
//
// Durability is ignored by Store, since memory knows no difference; FaultStore
// honours it when it forgets.
package memstore
