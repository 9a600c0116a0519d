// Package id names the identifiers of Echospace. Each kind of identifier is a
// type of its own, so that a feed cannot be handed over where a device is
// wanted. All are fixed-size arrays: comparable, usable as map keys, copied by
// value, and printed as lower-case hexadecimal.
//
// Byte order is that of the array; ids compare as byte strings.
package id
