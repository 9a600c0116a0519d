//go:build js

package main

import "os"

// main says that there is nothing here for js/wasm; the page's module is wasm/.
func main() {
	_, _ = os.Stderr.WriteString("echospace: this command is native only\n")
	os.Exit(2)
}
