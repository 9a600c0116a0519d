// Package bind makes the JS-friendly Client: plain objects, functions,
// Uint8Array, Promise, and Error with a code. It needs nothing on the page but
// wasm_exec.js; the TypeScript package is the typed face of it.
//
// Make gives the api object {version, createClient(options)}. A client, a space
// and an invitation are objects whose functions are documented where they are
// bound (client.go, space.go, invitation.go). observe(name, callback) calls
// back at once with the present value, then with each later one, and gives a
// function that ends it.
//
// Since a Go function cannot throw into JavaScript, one that fails at once
// gives the Error as its result: callers check `instanceof Error` and throw.
// Functions that give a Promise reject it.
//
// A panic rejects every pending Promise with CRASHED, is told to observers of
// the status, and then ends the module; every function answers CRASHED until it
// has. What kills the Go runtime itself (memory that was overwritten, a panic in
// an event listener of jsbridge) cannot be told from inside: it shows on the page
// as the end of the promise that go.run() gave.
//
// Objects live in package hotpath's exports under the space's handle; the
// functions add, get, update, remove, restore and query of a space (objects.go)
// are the slow, plain door to the same database for pages without the TypeScript
// package: every call copies whole objects, value by value.
package bind
