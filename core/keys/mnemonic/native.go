//go:build !js

package mnemonic

import (
	_ "embed"

	"golang.org/x/text/unicode/norm"
)

//go:embed english.txt
var english []byte

// English is the word list.
func English() *List {
	l, err := NewList(english)
	if err != nil {
		panic("mnemonic: the embedded word list: " + err.Error())
	}
	return l
}

// normalize brings text into Unicode's form KD.
func normalize(text string) string { return norm.NFKD.String(text) }
