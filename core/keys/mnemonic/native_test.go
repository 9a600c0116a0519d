//go:build !js

package mnemonic

import (
	"slices"
	"testing"
)

func TestEnglish(t *testing.T) {
	if !slices.Equal(English().words, list(t).words) {
		t.Error("the embedded list is another one")
	}
}
