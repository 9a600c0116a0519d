package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// ResealArchive puts the right length and hash on an archive that was altered.
func ResealArchive(b []byte) {
	binary.BigEndian.PutUint64(b[len(archiveMagic)+2:], uint64(len(b)))
	sum := sumArchive(b[:len(b)-id.HashSize], func() {})
	copy(b[len(b)-id.HashSize:], sum[:])
}

// archiveOf joins sections that may be anything.
func archiveOf(sections ...[]byte) []byte { return sealArchive(sections, func() {}) }

// ArchiveOf makes an archive of the contents of its sections; without feeds it
// has no history.
func ArchiveOf(t testing.TB, objects, changes uint64, ops, feeds, past []byte) []byte {
	a := about{history: len(feeds) > 0, objects: objects, changes: changes}
	sections := [][]byte{sectionOf(t, sectionAbout, a.encode()), sectionOf(t, sectionObjects, ops)}
	if a.history {
		sections = append(sections, sectionOf(t, sectionFeeds, feeds), sectionOf(t, sectionChanges, past))
	}
	return archiveOf(sections...)
}

// ContentsOf gives the contents of the sections of an archive by their kind.
func ContentsOf(t testing.TB, archive []byte) map[uint64][]byte {
	t.Helper()
	list, err := readArchive(archive, func() {})
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint64][]byte{}
	for _, s := range list {
		content, err := s.content(func() {})
		if err != nil {
			t.Fatal(err)
		}
		out[s.kind] = append(out[s.kind], content...)
	}
	return out
}

func sectionOf(t testing.TB, kind uint64, content []byte) []byte {
	t.Helper()
	p := packer{rest: func() {}}
	s, err := p.section(kind, content)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// claiming is a section that says another length.
func claiming(t testing.TB, kind, length uint64, content []byte) []byte {
	r := wire.NewReader(sectionOf(t, kind, content))
	r.ArrayLen(3)
	r.Skip()
	r.Skip()
	b := wire.AppendUint(wire.AppendArray(nil, 3), kind)
	return append(wire.AppendUint(b, length), r.Rest()...)
}

// readAll reads an archive up to its sections' contents.
func readAll(b []byte) ([]section, error) {
	list, err := readArchive(b, func() {})
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if _, err := s.content(func() {}); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func TestArchive_S12_form(t *testing.T) {
	first := sectionOf(t, sectionAbout, about{objects: 1}.encode())
	zeros := make([]byte, 1<<20)
	for _, c := range []struct {
		name    string
		archive []byte
		want    errs.Kind
	}{
		{"about only", archiveOf(first), errs.OK},
		{"all kinds", archiveOf(first, sectionOf(t, sectionObjects, []byte{1}), sectionOf(t, sectionObjects, nil), sectionOf(t, sectionFeeds, nil), sectionOf(t, sectionChanges, zeros)), errs.OK},
		{"nothing", nil, errs.InvalidArgument},
		{"no sections", archiveOf(), errs.Malformed},
		{"about twice", archiveOf(first, first), errs.Malformed},
		{"about missing", archiveOf(sectionOf(t, sectionObjects, nil)), errs.Malformed},
		{"unknown kind", archiveOf(first, sectionOf(t, 5, nil)), errs.Malformed},
		{"out of order", archiveOf(first, sectionOf(t, sectionChanges, nil), sectionOf(t, sectionObjects, nil)), errs.Malformed},
		{"says less than there is", archiveOf(first, claiming(t, sectionObjects, 1<<20-1, zeros)), errs.Malformed},
		{"says more than there is", archiveOf(first, claiming(t, sectionObjects, 1<<20+1, zeros)), errs.Malformed},
		{"more than deflate can do", archiveOf(first, claiming(t, sectionObjects, maxSection, []byte{1})), errs.Malformed},
		{"too much in one part", archiveOf(first, claiming(t, sectionObjects, maxSection+1, zeros)), errs.TooLarge},
		{"a number beyond all", archiveOf(first, claiming(t, sectionObjects, 1<<63, zeros)), errs.TooLarge},
		{"no wire in it", archiveOf(first, []byte{0xc1}), errs.Malformed},
		{"a section cut short", archiveOf(first, first[:5]), errs.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := readAll(c.archive); errs.KindOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// TestArchive_S12_muchInAll refuses parts that are small each and too much in
// all before any is looked into.
func TestArchive_S12_muchInAll(t *testing.T) {
	sections := [][]byte{sectionOf(t, sectionAbout, about{}.encode())}
	noise, random := make([]byte, 70<<10), rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	part := claiming(t, sectionObjects, 60<<20, noise)
	for range maxArchive/(60<<20) + 1 {
		sections = append(sections, part)
	}
	if _, err := readAll(archiveOf(sections...)); !errs.Is(err, errs.TooLarge) {
		t.Errorf("%v, want TOO_LARGE", err)
	}
}

func TestArchive_changeRoundTrip(t *testing.T) {
	for _, c := range []archivedChange{
		{}, {line: 3, ops: 70, parents: []int{9, 2, 0}, payload: []byte{1, 2}}, {line: 1, ops: 1, parents: []int{9}},
	} {
		b := c.encode(nil, 10)
		r := wire.NewReader(b)
		got := readChange(r, 10)
		if err := r.Done("test"); err != nil || !bytes.Equal(got.encode(nil, 10), b) || len(got.parents) != len(c.parents) {
			t.Errorf("%+v came back as %+v, %v", c, got, err)
		}
	}
}

// FuzzArchive reads arbitrary archives, whose length and hash are put right, so
// that what is inside is looked at.
func FuzzArchive(f *testing.F) {
	files, err := filepath.Glob("testdata/*.archive")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(archiveOf(sectionOf(f, sectionAbout, about{}.encode())))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		if len(b) >= archiveHead+id.HashSize {
			copy(b, archiveMagic)
			binary.BigEndian.PutUint16(b[len(archiveMagic):], archiveVersion)
			ResealArchive(b)
		}
		list, err := readAll(b)
		if err != nil {
			if _, ok := errors.AsType[*errs.Error](err); !ok || errs.Is(err, errs.Internal) {
				t.Fatalf("bad input gave %v", err)
			}
			return
		}
		for _, s := range list {
			content, _ := s.content(func() {})
			fuzzSection(t, s.kind, content)
		}
	})
}

// fuzzSection reads a section's content; what is taken encodes to the same.
func fuzzSection(t *testing.T, kind uint64, content []byte) {
	switch kind {
	case sectionAbout:
		if a, err := decodeAbout(content); err == nil && !bytes.Equal(a.encode(), content) {
			t.Fatalf("%+v does not encode to what it was", a)
		}
	case sectionFeeds:
		_, _ = decodeAuthors(content) // an empty name and none are one
	case sectionChanges:
		r := wire.NewReader(content)
		var back []byte
		for place := 0; r.Err() == nil && r.Offset() < len(content); place++ {
			c := readChange(r, place)
			back = c.encode(back, place)
		}
		if r.Err() == nil && !bytes.Equal(back, content) {
			t.Fatal("changes do not encode to what they were")
		}
	}
}
