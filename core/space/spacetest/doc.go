// Package spacetest makes spaces that tests and benchmarks have no time to live
// through: thousands of credentials, each in a block of its own, by their real makers.
package spacetest
