// Command p256 uses a curve that the page's module has not.
package main

import "crypto/ecdh"

func main() { ecdh.P256() }
