// Command x25519 prints what RFC 7748, section 5.2 iterates once.
package main

import (
	"crypto/ecdh"
	"fmt"
	"os"
)

func main() {
	base := make([]byte, 32)
	base[0] = 9
	private, err := ecdh.X25519().NewPrivateKey(base)
	if err != nil {
		panic(err)
	}
	public, err := ecdh.X25519().NewPublicKey(base)
	if err != nil {
		panic(err)
	}
	secret, err := private.ECDH(public)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stdout, "%x\n", secret)
}
