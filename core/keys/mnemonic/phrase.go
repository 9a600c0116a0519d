package mnemonic

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"strings"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

const (
	// Words is how many a phrase has.
	Words = 12
	// EntropySize is how many random bytes make a phrase.
	EntropySize = 16

	wordBits     = 11
	checksumBits = 4
	maxText      = 4096 // of what a person types, in bytes

	rounds   = 2048
	seedSize = 64

	keyLabel     = "echospace recovery key v1"
	sealingLabel = "echospace recovery sealing key v1"
)

// Phrase is a recovery phrase: twelve words with their checksum. It has no String
// method on purpose; never print one.
type Phrase struct{ words [Words]string }

// New makes the phrase of EntropySize random bytes.
func New(l *List, entropy [EntropySize]byte) Phrase {
	var p Phrase
	bits := append(entropy[:], checksum(entropy))
	for i := range p.words {
		p.words[i] = l.words[number(bits, i)]
	}
	clear(bits)
	return p
}

// checksum is the first bits of the SHA-256 of the entropy, in the top of a byte.
func checksum(entropy [EntropySize]byte) byte {
	sum := sha256.Sum256(entropy[:])
	return sum[0] &^ (1<<(8-checksumBits) - 1)
}

// number is the i-th group of wordBits bits.
func number(bits []byte, i int) (n int) {
	for at := i * wordBits; at < (i+1)*wordBits; at++ {
		n = n<<1 | int(bits[at/8]>>(7-at%8)&1)
	}
	return n
}

// Parse reads a phrase as a person types it: letters of either case, any white space
// before, between and after the words. What is no phrase is an errs.InvalidPhrase, which
// says by its details reason what is wrong: "length", not twelve words; "word", with the
// detail word the number, from 1 on, of the first that is not in the list; "checksum", a
// word is another one of the list or some are in another order.
func Parse(l *List, text string) (p Phrase, err error) {
	const op = "mnemonic.Parse"
	words, err := split(op, text)
	if err != nil {
		return p, err
	}
	var bits [EntropySize + 1]byte
	defer clear(bits[:])
	for i, word := range words {
		n, ok := l.index(word)
		if !ok {
			return p, wrongWord(op, i, "word %d is in no recovery phrase; look for a slip of the pen")
		}
		p.words[i] = l.words[n]
		for b := range wordBits {
			at := i*wordBits + b
			bits[at/8] |= byte(n>>(wordBits-1-b)&1) << (7 - at%8)
		}
	}
	if checksum([EntropySize]byte(bits[:])) != bits[EntropySize] {
		return Phrase{}, errs.New(op, errs.InvalidPhrase, "a word of the recovery phrase is another one, or two are exchanged: its checksum does not hold").With("reason", "checksum")
	}
	return p, nil
}

// Words are those of the phrase, in order.
func (p Phrase) Words() []string { return p.words[:] }

// Text is the phrase in lower case, with one space between the words.
func (p Phrase) Text() string { return strings.Join(p.words[:], " ") }

// Check compares what a person typed back, as Parse reads it, with the phrase. Anything
// else is an errs.InvalidPhrase with reason "length", or "word" and the number of the
// first word that is another one.
func (p Phrase) Check(text string) error {
	const op = "mnemonic.Check"
	words, err := split(op, text)
	for i, word := range words {
		if word != p.words[i] {
			return wrongWord(op, i, "word %d is another one")
		}
	}
	return err
}

// split gives the words of a text, which are as many as those of a phrase.
func split(op, text string) (words []string, err error) {
	if len(text) <= maxText {
		words = strings.Fields(strings.ToLower(normalize(text)))
	}
	if n := len(words); n != Words {
		return nil, errs.New(op, errs.InvalidPhrase, "a recovery phrase has %d words, this text has %d or is too long", Words, n).With("reason", "length")
	}
	return words, nil
}

func wrongWord(op string, i int, format string) error {
	return errs.New(op, errs.InvalidPhrase, format, i+1).With("reason", "word").With("word", i+1)
}

// Keys are the recovery key, and the key that is sealed to. They take 2,048 rounds of
// PBKDF2.
func (p Phrase) Keys() (*keys.SigningKey, *keys.SealingKey) {
	seed := p.seed("")
	defer clear(seed)
	return keys.NewSigningKey(keys.Derive(seed, keyLabel)), keys.NewSealingKey(keys.Derive(seed, sealingLabel))
}

// seed is that of BIP-39. The passphrase is for its test vectors: Echospace has none.
func (p Phrase) seed(passphrase string) []byte {
	seed, err := pbkdf2.Key(sha512.New, p.Text(), []byte("mnemonic"+passphrase), rounds, seedSize)
	if err != nil {
		// Only a platform that forbids the algorithm gets here, and no key may be made on it.
		panic("mnemonic: PBKDF2-HMAC-SHA512 is not available: " + err.Error())
	}
	return seed
}
