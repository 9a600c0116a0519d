// Package archtest holds the project to its architecture: which package may
// import which, which build tags stand where, what the files of the top level
// are, that wasm_exec.js is the toolchain's, and how large the download may be.
// It has tests only. Each rule says why it is there.
package archtest
