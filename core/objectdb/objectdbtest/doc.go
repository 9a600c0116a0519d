// Package objectdbtest has what tests and benchmarks of databases share: the traces
// of what people typed.
package objectdbtest
