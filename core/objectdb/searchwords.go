package objectdb

import (
	"unicode"
	"unicode/utf8"
)

// Words are what a search finds: runs of letters, digits and marks, in lower
// case, Latin letters without what stands on or below them, each at most maxTerm
// bytes of UTF-8. Scripts that put no spaces between words are cut into pairs of
// neighbours, and the last character of a run.

// wordKind says how a word came out of a text.
type wordKind uint8

const (
	wordWhole  wordKind = iota // a word, or a pair
	wordLast                   // the last character of a run without spaces
	wordSingle                 // the only one of such a run
)

// wordReader cuts a text into words.
type wordReader struct {
	yield func(word []byte, kind wordKind) bool
	word  []byte
	whole bool // nothing fits into the word any more
	last  []byte
	run   int // characters of a run without spaces
}

// eachWordOf calls yield for each word of a text until it gives false. The word
// is valid during the call.
func eachWordOf(text []byte, yield func(word []byte, kind wordKind) bool) bool {
	var room [2][maxTerm]byte
	w := wordReader{yield: yield, word: room[0][:0], last: room[1][:0]}
	for len(text) > 0 {
		if len(w.word) == 0 && w.run == 0 && asciiKinds[text[0]] != asciiOther {
			n, ok := w.takeLower(text)
			if !ok {
				return false
			}
			if text = text[n:]; n > 0 {
				continue
			}
		}
		r, n := rune(text[0]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text)
		}
		text = text[n:]
		if !w.take(r) {
			return false
		}
	}
	return w.endWord() && w.endRun()
}

// What a byte is to takeLower.
const (
	asciiOther byte = iota // upper case, or not ASCII
	asciiSpace             // between words
	asciiLower             // a small letter or a digit
)

var asciiKinds = func() (kinds [256]byte) {
	for c := range kinds[:utf8.RuneSelf] {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			kinds[c] = asciiLower
		case c < 'A' || c > 'Z':
			kinds[c] = asciiSpace
		}
	}
	return kinds
}()

// takeLower takes what begins a text between words: what stands before a word, or
// a word of small letters and digits, which most are, in place. It gives how many
// bytes that is, none if the word is another.
func (w *wordReader) takeLower(text []byte) (n int, ok bool) {
	kind := asciiKinds[text[0]]
	for n = 1; n < len(text) && asciiKinds[text[n]] == kind; n++ {
	}
	if kind == asciiSpace {
		return n, true
	}
	if n < len(text) && asciiKinds[text[n]] == asciiOther {
		return 0, true
	}
	return n, w.yield(text[:min(n, maxTerm)], wordWhole)
}

func (w *wordReader) take(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			w.put(byte(r))
			return w.run == 0 || w.endRun()
		}
		return w.endWord() && w.endRun()
	case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
		return w.endWord() && w.endRun()
	case isUnspaced(r):
		return w.endWord() && w.pair(r)
	}
	if !w.endRun() {
		return false
	}
	w.fold(r)
	return true
}

// put appends to the word what fits.
func (w *wordReader) put(b ...byte) {
	if w.whole = w.whole || len(w.word)+len(b) > maxTerm; !w.whole {
		w.word = append(w.word, b...)
	}
}

// fold appends a letter in its plain form.
func (w *wordReader) fold(r rune) {
	var c byte
	switch {
	case r >= 0x300 && r < 0x370: // marks on letters
		return
	case r == 'ß' || r == 'ẞ':
		w.put('s')
		w.put('s')
		return
	case r == 'æ' || r == 'Æ':
		w.put('a')
		w.put('e')
		return
	case r == 'œ' || r == 'Œ':
		w.put('o')
		w.put('e')
		return
	case r >= 0xc0 && r < 0x180:
		c = latin[r-0xc0]
	case r >= 0x1e00 && r < 0x1f00:
		c = latinAdditional[r-0x1e00]
	}
	if c != 0 {
		w.put(c)
		return
	}
	var buf [utf8.UTFMax]byte
	w.put(buf[:utf8.EncodeRune(buf[:], unicode.ToLower(r))]...)
}

// pair takes a character of a run without spaces.
func (w *wordReader) pair(r rune) bool {
	w.run++
	from := len(w.last)
	w.last = utf8.AppendRune(w.last, r)
	if w.run == 1 {
		return true
	}
	ok := w.yield(w.last, wordWhole)
	w.last = w.last[:copy(w.last, w.last[from:])]
	return ok
}

func (w *wordReader) endRun() bool {
	kind := wordLast
	switch w.run {
	case 0:
		return true
	case 1:
		kind = wordSingle
	}
	ok := w.yield(w.last, kind)
	w.last, w.run = w.last[:0], 0
	return ok
}

func (w *wordReader) endWord() bool {
	if len(w.word) == 0 {
		return true
	}
	ok := w.yield(w.word, wordWhole)
	w.word, w.whole = w.word[:0], false
	return ok
}

// isUnspaced reports whether a letter is of a script whose words stand side by
// side: Thai and Lao, Myanmar, Khmer, Chinese, Japanese and Korean.
func isUnspaced(r rune) bool {
	return r >= 0x0e00 && (r < 0x0f00 || r >= 0x1000 && r < 0x10a0 || r >= 0x1780 && r < 0x1800 ||
		r >= 0x2e80 && r < 0xa000 || r >= 0xac00 && r < 0xd7b0 || r >= 0xf900 && r < 0xfb00 || r >= 0x20000 && r < 0x40000)
}

// The plain forms of the letters from U+00C0 and U+1E00 on.
const (
	latin = "aaaaaaaceeeeiiiidnooooo.ouuuuytsaaaaaaaceeeeiiiidnooooo.ouuuuytyaaaaaaccccccccddddeeeeeeeeeegggg" +
		"gggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"
	latinAdditional = "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmmmmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv" +
		"wwwwwwwwwwxxxxyyzzzzzzhtwyassssdaaaaaaaaaaaaaaaaaaaaaaaaeeeeeeeeeeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyyllvvyy"
)
