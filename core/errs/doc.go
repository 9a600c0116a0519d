// Package errs is the error of Echospace: one type, whose Kind is a number
// fixed for good and a code that callers in JavaScript see (EchospaceError.code).
//
// A message says what failed, with which value, and what to do. No error ever
// holds a secret. Use errors.Is and errors.As as usual; KindOf finds the Kind
// of the outermost Error in a chain.
package errs
