package mnemonic

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
)

//go:embed english.txt
var listText []byte

//go:embed testdata/vectors.json
var vectorText []byte

// vector is one phrase, and what it comes to.
type vector struct {
	Name, Phrase  string
	Entropy, Seed string
	Refused       string // the detail reason; empty if it is a phrase
	Word          int    // the detail word
	Normalized    bool   // is a phrase in form KD only
}

func loadVectors(t testing.TB) []vector {
	t.Helper()
	var doc struct{ Cases []vector }
	if err := json.Unmarshal(vectorText, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Cases
}

func list(t testing.TB) *List {
	t.Helper()
	l, err := NewList(listText)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestList holds the list: its hash, its size, its order, and what BIP-39 says of it.
func TestList(t *testing.T) {
	l := list(t)
	if len(l.words) != listSize || !slices.IsSorted(l.words) || l.words[0] != "abandon" || l.words[2047] != "zoo" {
		t.Fatalf("%d words, sorted %v", len(l.words), slices.IsSorted(l.words))
	}
	prefixes := map[string]bool{}
	for i, w := range l.words {
		if n, ok := l.index(w); !ok || n != i {
			t.Errorf("%s is found at %d, %v, want %d", w, n, ok, i)
		}
		prefix := w[:min(4, len(w))]
		if prefixes[prefix] {
			t.Errorf("two words begin with %s", prefix)
		}
		prefixes[prefix] = true
	}
	for name, text := range map[string][]byte{
		"empty": nil, "one word less": listText[:len(listText)-4], "one letter": append([]byte("A"), listText[1:]...), "CRLF": []byte(strings.ReplaceAll(string(listText), "\n", "\r\n")),
	} {
		if _, err := NewList(text); !errs.Is(err, errs.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPhrase_H10_H11_vectors runs every vector: a phrase gives its entropy and seed, and
// all others are refused by class.
func TestPhrase_H10_H11_vectors(t *testing.T) {
	l, ran := list(t), map[string]int{}
	for _, v := range loadVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			want := v
			if v.Normalized && normalize("\uff41") != "a" {
				want.Refused, want.Word = "word", 1 // the page does that before it calls
				if strings.Contains(v.Phrase, "jelly") {
					want.Word = 4
				}
			}
			ran[want.Refused]++
			p, err := Parse(l, v.Phrase)
			if want.Refused != "" {
				checkRefused(t, err, want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkPhrase(t, l, p, v)
		})
	}
	t.Logf("ran %v", ran)
	for _, class := range []string{"", "length", "word", "checksum"} {
		if ran[class] < 3 {
			t.Errorf("class %q: %d cases", class, ran[class])
		}
	}
}

func checkRefused(t *testing.T, err error, want vector) {
	t.Helper()
	var e *errs.Error
	if !errors.As(err, &e) || e.Kind != errs.InvalidPhrase || e.Details["reason"] != want.Refused {
		t.Fatalf("got %v, want %s", err, want.Refused)
	}
	if n, _ := e.Details["word"].(int); n != want.Word {
		t.Errorf("word %d, want %d", n, want.Word)
	}
	for _, w := range strings.Fields(want.Phrase) {
		// The message has English words of its own.
		if len(w) > 4 && !slices.Contains([]string{"phrase", "word", "another"}, w) && strings.Contains(fmt.Sprintf("%v %#v", err, e.Details), w) {
			t.Errorf("the error tells the word %q: %v", w, err)
		}
	}
}

func checkPhrase(t *testing.T, l *List, p Phrase, v vector) {
	t.Helper()
	if got := hex.EncodeToString(p.seed("TREZOR")); got != v.Seed {
		t.Errorf("seed %s, want %s", got, v.Seed)
	}
	entropy, err := hex.DecodeString(v.Entropy)
	if err != nil {
		t.Fatal(err)
	}
	if again := New(l, [EntropySize]byte(entropy)); again != p {
		t.Errorf("%s gives another phrase", v.Entropy)
	}
}

// TestPhrase_H10_keyGolden holds the recovery key: phrases on paper depend on it.
func TestPhrase_H10_keyGolden(t *testing.T) {
	p := New(list(t), [EntropySize]byte{})
	if want := strings.Repeat("abandon ", 11) + "about"; p.Text() != want {
		t.Errorf("the phrase of zeros is another one")
	}
	signing, sealing := p.Keys()
	public := signing.Public()
	if want := "3319964bc9ae6c0e9ef0807331ca3c18c3c27faf2f434edb2aa81cd63085fc21"; hex.EncodeToString(public[:]) != want {
		t.Errorf("public key %x, want %s", public, want)
	}
	public = sealing.Public()
	if want := "551c456d37ab235037286e72786b33001132aa9067be219b90d5bac09bc5043d"; hex.EncodeToString(public[:]) != want {
		t.Errorf("sealing key %x, want %s", public, want)
	}
}

// TestPhrase_H10_roundTrip: what is made reads as what was made, however it is typed.
func TestPhrase_H10_roundTrip(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng, l := rand.New(rand.NewPCG(seed, 0)), list(t)
	space := []string{" ", "  ", "\n", "\t", "\r\n", "\u00a0"}
	for range 2000 {
		var entropy [EntropySize]byte
		for i := range entropy {
			entropy[i] = byte(rng.Uint32())
		}
		p := New(l, entropy)
		typed := ""
		for _, w := range strings.Fields(p.Text()) {
			if rng.IntN(2) == 0 {
				w = strings.ToUpper(w)
			}
			typed += space[rng.IntN(len(space))] + w
		}
		if again, err := Parse(l, typed); err != nil || again != p {
			t.Fatalf("entropy %x: %v", entropy, err)
		}
	}
}

// TestPhrase_H11_wrongWord: of the words that are wrong in one place, one in 16 has the
// right checksum, as four bits have it.
func TestPhrase_H11_wrongWord(t *testing.T) {
	l := list(t)
	words := strings.Fields(New(l, [EntropySize]byte{1, 2, 3}).Text())
	for at := range words {
		passed := 0
		for _, other := range l.words {
			wrong := slices.Clone(words)
			wrong[at] = other
			if _, err := Parse(l, strings.Join(wrong, " ")); err == nil {
				passed++
			} else if !errs.Is(err, errs.InvalidPhrase) {
				t.Fatal(err)
			}
		}
		if passed < listSize/32 || passed > listSize/8 {
			t.Errorf("word %d: %d of %d pass, want about %d", at+1, passed, listSize, listSize/16)
		}
	}
}

func FuzzParse(f *testing.F) {
	l := list(f)
	for _, v := range loadVectors(f) {
		f.Add(v.Phrase)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(l, text)
		if err != nil {
			if !errs.Is(err, errs.InvalidPhrase) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if again, err := Parse(l, p.Text()); err != nil || again != p {
			t.Fatalf("what it reads is not what it writes: %v", err)
		}
	})
}

// BenchmarkKey is how long a phrase takes to become a key.
func BenchmarkKey(b *testing.B) {
	p := New(list(b), [EntropySize]byte{})
	for b.Loop() {
		p.Keys()
	}
}
