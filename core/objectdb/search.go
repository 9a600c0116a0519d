package objectdb

import (
	"bytes"
	"errors"
	"math"
	"slices"

	"github.com/echospace/echospace/core/errs"
)

// search is what a filter of kind filterSearch asks for: objects in whose
// properties together all words are.
type search struct {
	by    []sortBy // the properties, by path
	words []searchWord
}

// searchWord is a word that must be there, or the beginning of one.
type searchWord struct {
	text   []byte
	prefix bool
}

// maxWords bounds the words of a search.
const maxWords = 64

// paths reads the properties of a search, or of its index, and sorts them.
func (p *filterParser) paths(n int) (by []sortBy) {
	for ; n > 0 && p.r.Err() == nil; n-- {
		next := sortBy{path: p.path()}
		at := len(by)
		for at > 0 && slices.Compare(by[at-1].path, next.path) > 0 {
			at--
		}
		if at == 0 || !slices.Equal(by[at-1].path, next.path) {
			by = append(by, next)
			copy(by[at+1:], by[at:])
			by[at] = next
		}
	}
	return by
}

// search reads [6, [[key...]...], str].
func (p *filterParser) search() *search {
	r := p.r
	s := &search{}
	n := r.ArrayLen(maxSort)
	if r.Err() == nil && n == 0 {
		r.Fail(errors.New("search in no property"))
	}
	s.by = p.paths(n)
	eachWordOf(r.StringBytes(p.db.limits.Value), func(word []byte, kind wordKind) bool {
		if kind == wordLast { // it is in the pair before
			return true
		}
		s.words = append(s.words, searchWord{bytes.Clone(word), kind == wordSingle})
		return true
	})
	if n := len(s.words); n > 0 && !isUnspacedPair(s.words[n-1].text) {
		s.words[n-1].prefix = true
	}
	if len(s.words) > maxWords && r.Err() == nil {
		r.Fail(errs.New("objectdb.OpenQuery", errs.TooLarge, "search for %d words, limit %d", len(s.words), maxWords))
	}
	return s
}

// isUnspacedPair reports whether a word is a pair of a script without spaces,
// with which no longer word begins.
func isUnspacedPair(word []byte) bool {
	r := bytes.Runes(word)
	return len(r) == 2 && isUnspaced(r[0])
}

// eachSearched calls yield for each string and text of some properties: what
// they hold, and the items of lists that they hold.
func (db *DB) eachSearched(c int32, by []sortBy, yield func(w uint64) bool) bool {
	for _, s := range by {
		w, ok := db.wordAt(c, s.path)
		if !ok {
			continue
		}
		list := childWord(w)
		if list == none || db.containers.At(list).kind != typeList {
			if db.isString(w) && !yield(w) {
				return false
			}
			continue
		}
		for _, slot := range db.listOf(list).slots {
			if db.isShown(slot) {
				w := db.fields.At(db.items.At(db.slotRows.At(slot).item).field).Value
				if db.isString(w) && !yield(w) {
					return false
				}
			}
		}
	}
	return true
}

// isString reports whether a register holds a string or a text.
func (db *DB) isString(w uint64) bool {
	if child := childWord(w); child != none {
		return db.containers.At(child).kind == typeText
	}
	var buf [8]byte
	return w != wordDeleted && readOperand(db.raw(w, &buf)).kind == operandString
}

// eachWord calls yield for each word of some properties.
func (db *DB) eachWord(c int32, by []sortBy, yield func(word []byte) bool) bool {
	return db.eachSearched(c, by, func(w uint64) bool {
		var buf [8]byte
		return eachWordOf(db.operandOf(w, &buf).bytes, func(word []byte, _ wordKind) bool { return yield(word) })
	})
}

// found reports whether an object is one that a search asks for. If an index
// knows the words of the object the properties are not read.
func (db *DB) found(s *search, c int32) bool {
	missing := uint64(1)<<len(s.words) - 1
	see := func(word []byte) bool {
		for i := range s.words {
			w := &s.words[i]
			if missing>>i&1 == 1 && (bytes.Equal(word, w.text) || w.prefix && bytes.HasPrefix(word, w.text)) {
				missing &^= 1 << i
			}
		}
		return missing != 0
	}
	if len(s.words) == 0 { // any string will do
		return !db.eachSearched(c, s.by, func(uint64) bool { return false })
	}
	x := db.findIndex(indexWords, s.by)
	if x == nil || c >= x.built || db.containers.At(c).flags&flagStale != 0 {
		db.eachWord(c, s.by, see)
		return missing == 0
	}
	t := x.terms
	t.before = t.termsOf(t.before[:0], c)
	for _, i := range t.before {
		if !see(t.terms.At(i)) {
			break
		}
	}
	return missing == 0
}

// relevance is how well an object answers some searches: for each word how often
// it is there, which counts less the more often and the longer what it is in is;
// a word that only begins so counts half. It depends on the object alone, so that
// every replica ranks alike and a change moves no other object. (The saturation
// and the norm for length are those of BM25; how rare a word is does not matter
// where all words must be there.)
func (db *DB) relevance(searches []*search, c int32) uint32 {
	score := 0.0
	for _, s := range searches {
		var hits [maxWords]float64
		length := 0.0
		db.eachWord(c, s.by, func(word []byte) bool {
			length++
			for i := range s.words {
				w := &s.words[i]
				if bytes.Equal(word, w.text) {
					hits[i]++
				} else if w.prefix && bytes.HasPrefix(word, w.text) {
					hits[i] += 0.5
				}
			}
			return true
		})
		for _, n := range hits[:len(s.words)] {
			score += n / (n + 1 + length/32)
		}
	}
	return uint32(min(score*(1<<20), math.MaxUint32))
}
