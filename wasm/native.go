//go:build !js

package main

import (
	"fmt"
	"os"
)

// main says what this command is for: built for anything but js it does
// nothing. It is here so that `go build ./...` works on any host.
func main() {
	fmt.Fprintln(os.Stderr, "this command is the page's module; build it with GOOS=js GOARCH=wasm, or run make build")
	os.Exit(1)
}
