package feed

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden vectors in testdata")

// vector is a named encoding.
type vector struct {
	name string
	raw  []byte
}

// goldenVectors makes one of each form from fixed seeds. The deflated block is
// what compress/flate makes today: decoders read any valid stream, so a new
// flate may change these bytes and break nothing.
func goldenVectors(t testing.TB) (vectors []vector, w *writer, payloads map[string][]byte) {
	w = newWriter(t, 1)
	other, third := newWriter(t, 2), newWriter(t, 3)
	deltas := SortRefs([]Ref{other.add([]byte("theirs"), 1)[0].Ref(), third.add([]byte("others"), 1)[0].Ref()})

	text := []byte(strings.Repeat("to be or not to be, ", 20))
	plain := w.add([]byte("hello"), 1)
	deflated := w.add(text, 20)
	withDeltas := w.add([]byte("after theirs"), 2, deltas...)
	parts := w.addParts(3, []byte("first half, "), []byte("second half"))
	run := []*Block{plain[0], deflated[0], withDeltas[0]}
	repack := w.fold(run)

	vectors = []vector{{"header", w.header.Encode()}}
	payloads = map[string][]byte{}
	for _, b := range []struct {
		name    string
		block   *Block
		payload []byte
	}{
		{"plain", plain[0], []byte("hello")},
		{"deflated", deflated[0], text},
		{"deltas", withDeltas[0], []byte("after theirs")},
		{"part1of2", parts[0], []byte("first half, ")},
		{"part2of2", parts[1], []byte("second half")},
		{"repack", repack, encodeFolded([]folded{
			{packed: Pack([]byte("hello")), ops: 1},
			{packed: Pack(text), ops: 20},
			{packed: Pack([]byte("after theirs")), ops: 2, deltas: []int{0, 1}},
		}, func() {})},
	} {
		vectors = append(vectors, vector{b.name, b.block.Encode()})
		payloads[b.name] = b.payload
	}
	return vectors, w, payloads
}

// TestGolden holds the formats: what was written once is read for good, and
// encodes to the same bytes. Run with -update to write new vectors.
func TestGolden(t *testing.T) {
	vectors, w, payloads := goldenVectors(t)
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			path := filepath.Join("testdata", v.name+".hex")
			if *update {
				if err := os.WriteFile(path, []byte(toLines(v.raw)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(raw, v.raw) {
				t.Errorf("%s is made otherwise now: %d bytes, golden %d", v.name, len(v.raw), len(raw))
			}
			readGolden(t, v.name, raw, w, payloads[v.name])
		})
	}
}

func readGolden(t *testing.T, name string, raw []byte, w *writer, payload []byte) {
	t.Helper()
	if name == "header" {
		h, err := DecodeHeader(raw)
		if err != nil || !bytes.Equal(h.Encode(), raw) || h.Header != w.header.Header {
			t.Fatalf("reads as %+v, %v", h, err)
		}
		return
	}
	b, err := DecodeBlock(raw)
	if err != nil || !bytes.Equal(b.Encode(), raw) {
		t.Fatalf("does not read, or encodes otherwise: %v", err)
	}
	got, err := b.Open(w.key)
	if err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("opens as %d bytes, %v, want %d", len(got), err, len(payload))
	}
}

// TestGolden_drawnNonces: small blocks had nonces that were drawn, before they could
// be made again. They are read, and no repack takes them.
func TestGolden_drawnNonces(t *testing.T) {
	_, w, payloads := goldenVectors(t)
	for _, name := range []string{"plain", "deflated", "deltas", "part1of2", "part2of2"} {
		text, err := os.ReadFile(filepath.Join("testdata", "drawn", name+".hex"))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(err)
		}
		readGolden(t, name, raw, w, payloads[name])
		if b, _ := DecodeBlock(raw); NewFolder(w.key).Add(b) {
			t.Errorf("%s is taken for a repack", name)
		}
	}
}

// toLines is hexadecimal in lines of 64 bytes.
func toLines(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := min(64, len(b))
		fmt.Fprintf(&out, "%x\n", b[:n])
		b = b[n:]
	}
	return out.String()
}
