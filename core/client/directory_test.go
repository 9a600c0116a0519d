package client

import (
	"bytes"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

func someDirectory() *directory {
	return &directory{cipher: 1, key: keys.Secret{1}, generation: 1 << 60, sheets: []sheet{
		{pages: []sheetPage{{1 << 32, 7}}, at: sheetKey{7, 1}, sum: id.Hash{5}}, {pages: []sheetPage{{8<<32 | 1, 99}, {8<<32 | 3, 1 << 17}}, at: sheetKey{8, 2}},
	}}
}

func TestDirectory_ofAnotherVersion(t *testing.T) {
	b := someDirectory().encode()
	b[0] = directoryVersion + 1
	if _, err := decodeDirectory(b); !errs.Is(err, errs.VersionUnsupported) {
		t.Errorf("it reads with %v", err)
	}
}

// FuzzDirectory reads arbitrary directories: what is taken is written the same.
func FuzzDirectory(f *testing.F) {
	f.Add(someDirectory().encode())
	f.Add((&directory{}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeDirectory(b)
		if err != nil {
			if !errs.Is(err, errs.StorageCorrupt) && !errs.Is(err, errs.VersionUnsupported) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeDirectory(d.encode())
		if err != nil || !bytes.Equal(again.encode(), d.encode()) {
			t.Fatalf("it reads again with %v", err)
		}
	})
}
