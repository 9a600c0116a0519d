// Package jsval is typed access to JavaScript values, on hack-pad/safejs, whose
// calls return errors where syscall/js panics. It holds mechanism, no policy.
//
//   - Await turns a Promise into a blocking call, Promises the reverse: it makes
//     Promises that are settled on every path, a panic included.
//   - Functions makes JavaScript functions that live as long as JavaScript holds
//     them.
//   - Listen registers an event handler and gives the function that removes it.
//   - Bytes, Uint8Array carry bytes; Error and FromError carry errors, in the
//     shape of the TypeScript class EchospaceError.
//
// There is one thread. A function that waits (Await) must run in a goroutine of
// its own and never directly in a callback from JavaScript, which would stop
// the event loop that it waits for. Callbacks append and poke; they do not block
// and do not panic.
//
// Every js.Func made here is released: a handler's by the function that Listen
// gives, a Promise's when it settled, the one that all of a Functions share by
// its Release.
//
// Except for this file the package exists only for js.
package jsval
