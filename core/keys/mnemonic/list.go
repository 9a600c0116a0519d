package mnemonic

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"strings"

	"github.com/echospace/echospace/core/errs"
)

const (
	listSize = 2048
	// listHash is the SHA-256 of english.txt.
	listHash = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
)

// List is the English word list. It is immutable.
type List struct{ words []string }

// NewList reads the list: english.txt as it is. Anything else is an
// errs.InvalidArgument: a phrase of another list could not be read elsewhere.
func NewList(text []byte) (*List, error) {
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != listHash {
		return nil, errs.New("mnemonic.NewList", errs.InvalidArgument, "%d bytes that are not the English word list of BIP-39", len(text))
	}
	return &List{words: strings.Fields(string(text))}, nil
}

// index finds a word; ok is false if it is not in the list.
func (l *List) index(word string) (i int, ok bool) {
	i = sort.SearchStrings(l.words, word)
	return i, i < len(l.words) && l.words[i] == word
}
