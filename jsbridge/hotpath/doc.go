// Package hotpath is the page's fast door to the object database: functions
// exported by the module itself (//go:wasmexport) and two byte buffers in its
// memory, one that JavaScript fills and one that Go fills. A call costs a
// fraction of a microsecond, where one through syscall/js costs twelve.
//
// What every export keeps to: it waits for nothing, so it takes only mutexes
// that are never held across a wait; it recovers a panic and reports it as
// errs.Crashed; it gives a number that is negative for an error, whose kind and
// message es_error then puts into the output buffer. JavaScript must make new
// views of the memory after every call, since growth replaces it, and should
// call es_yield once per burst and per megabyte: exports bypass the scheduler,
// so without it neither goroutines that they woke nor the collector get on.
//
// The exports that read take the handle of a space, or a negative one: that of the
// database of a past version (RegisterPast).
//
// The byte formats are those of package objectdb.
package hotpath
