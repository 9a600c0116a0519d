// Package collector keeps the memory of a module small: WebAssembly memory grows
// and is never given back, so what the heap reaches once the page holds for good.
//
// Go's collector lets a heap double before it runs again. Nearly all of ours is
// in few large blocks without pointers (package crdt/flat), so a collection of
// 100,000 objects takes a few milliseconds of marking: it can run far more often.
//
// The first collection is one while the page has nothing to do (Warm).
package collector
