package objectdb

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

var update = flag.Bool("update", false, "write the golden payloads anew")

// golden payloads: name, and the transactions of the site that wrote them.
var golden = []struct {
	name  string
	write func(s *site)
}{
	{"create", func(s *site) {
		s.do(opCreate(objID(1), map[string][]byte{"title": vStr("one"), "n": vInt(-1), "when": vTyped(valueDate, vInt(5)), "map": vMap(map[string][]byte{"x": vMap(nil)})}))
	}},
	{"changes", func(s *site) {
		s.do(opCreate(objID(1), nil), opCreate(objID(2), nil))
		s.do(opSet(objID(1), vFloat(1.5), "k"), opSet(objID(2), vInt(1), "k"))
		s.do(opSet(objID(1), vMap(map[string][]byte{"in": vInt(2)}), "k"), opSet(objID(1), vInt(3), "k", "in"), opDelKey(objID(1), "k", "in"))
		s.do(opDelete(objID(2)), opRestore(objID(2)), opSet(PropertiesID, vStr("space"), "name"))
	}},
	{"counters", func(s *site) {
		s.do(opCreate(objID(1), map[string][]byte{"n": vTyped(valueCounter, vInt(7)), "m": vMap(nil)}))
		s.do(opAdd(objID(1), -2, "n"), opSet(objID(1), vTyped(valueCounter, vInt(1)), "m", "n"), opAdd(objID(1), 1<<40, "m", "n"))
		s.do(opSet(objID(1), vTyped(valueCounter, vInt(0)), "n"), opAdd(objID(1), 3, "n"))
	}},
	{"texts", func(s *site) {
		s.do(opCreate(objID(1), map[string][]byte{"t": vText("hello 😀"), "m": vMap(map[string][]byte{"empty": vText("")})}))
		s.do(opEdit(objID(1), 8, 0, "!", "t"), opEdit(objID(1), 0, 1, "J", "t"), opEdit(objID(1), 0, 0, "été", "m", "empty"))
		x, err := s.db.FindText(objID(1), Key("t"))
		for i := range 3 {
			if err == nil {
				err = s.db.EditText(x, i, 0, []byte("x"), 1000)
			}
		}
		if err != nil {
			s.t.Fatal(err)
		}
		s.do(opSet(objID(1), vText("anew"), "t"), opEdit(objID(1), 4, 0, "er", "t"))
	}},
	{"lists", func(s *site) {
		s.db.source = 0x0102030405060708
		s.do(opCreate(objID(1), map[string][]byte{
			"l": vList(vInt(1), vStr("two"), vMap(map[string][]byte{"x": vInt(3)}), vList(vText("four"), vTyped(valueCounter, vInt(5)))),
			"m": vList(),
		}))
		s.do(opMove(objID(1), 0, 3, "l"), opSplice(objID(1), 0, 1, [][]byte{vInt(6), vInt(7)}, "l"))
		s.do(opSet(objID(1), vInt(8), "l", 2, "x"), opEdit(objID(1), 4, 0, "!", "l", 3, 0), opAdd(objID(1), 1, "l", 3, 1), opSet(objID(1), vInt(9), "l", 0))
	}},
	{"marks", func(s *site) {
		s.db.source = 0x0102030405060708
		s.do(opCreate(objID(1), map[string][]byte{"t": vText("hello 😀 world"), "l": vList(vText("in a list"))}))
		s.do(opFormat(objID(1), 0, 5, []markOf{{"bold", expandAfter, vBool(true)}, {"link", 0, vStr("x")}}, "t"), opEdit(objID(1), 5, 3, "!", "t"))
		s.mark(2, 7, "bold", vNil())
		s.do(opFormat(objID(1), 0, 2, []markOf{{"t", expandBefore | expandAfter, vMap(map[string][]byte{"size": vInt(12)})}}, "l", 0))
		s.do(opSet(objID(1), vText("anew"), "t"), opFormat(objID(1), 4, 4, []markOf{{"x", 0, vInt(1)}}, "t"), opFormat(objID(1), 1, 4, []markOf{{"x", expandBefore, vInt(1)}}, "t"))
	}},
	{"second block", func(s *site) {
		s.do(opCreate(objID(1), map[string][]byte{"m": vMap(map[string][]byte{"d": vMap(nil)})}))
		s.flush()
		s.do(opSet(objID(1), vInt(1), "m", "d", "deep"), opSet(objID(1), vMap(nil), "m"), opSet(objID(1), vInt(2), "m", "n"))
	}},
}

func vectorFile(name string) string {
	return filepath.Join("testdata", "payload", strings.ReplaceAll(name, " ", "_")+".hex")
}

func vectors(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	for _, g := range golden {
		text, err := os.ReadFile(vectorFile(g.name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(err)
		}
		out[g.name] = b
	}
	return out
}

// TestPayload_golden holds the format: a payload once written stays readable,
// and the same transactions are written the same.
func TestPayload_golden(t *testing.T) {
	for _, g := range golden {
		s := newSite(t, 1)
		g.write(s)
		b, _ := s.db.Cut()
		if *update {
			if err := os.WriteFile(vectorFile(g.name), fmt.Appendf(nil, "%x\n", b.Payload), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := vectors(t)[g.name]; string(want) != string(b.Payload) {
			t.Errorf("%s: payload\n%x, golden\n%x", g.name, b.Payload, want)
		}
	}
}

func TestApply_refuses(t *testing.T) {
	wrap := func(feeds, keys, objects, changes string) []byte {
		b, err := hex.DecodeString("9501" + feeds + keys + objects + changes)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const (
		noIDs = "c400"
		one   = "c4100b000000000000000000000000000001"
		props = "c41000000000000000000000000000000001"
		keyA  = "91a161"
	)
	change := func(n int, elements string) string { return fmt.Sprintf("919300c0%x", 0x90+n) + elements }
	// wrapColumns is of elements of one byte each, with columns.
	wrapColumns := func(columns, elements string) []byte {
		b := wrap(noIDs, keyA, one, columns+change(len(elements)/2, elements))
		b[0], b[1] = 0x9b, 2
		return b
	}
	wrapText := func(counts, runs, places, chars, elements string) []byte {
		return wrapColumns(noIDs+noIDs+counts+runs+places+chars, elements)
	}
	// wrapList has the name of one item.
	wrapList := func(counts, runs, places, elements string) []byte {
		return wrapColumns("c4080000000000000001"+"c4020000"+counts+runs+places+"a0", elements)
	}
	// wrapMarks has two keys, and marks the empty text at the first with the second.
	wrapMarks := func(counts, runs, places, elements string) []byte {
		b := wrapColumns(noIDs+noIDs+counts+runs+places+"a0", elements)
		b[1] = 3
		return bytes.Replace(b, []byte{0x91, 0xa1, 0x61}, []byte{0x92, 0xa1, 0x61, 0xa1, 0x62}, 1)
	}
	cases := map[string]struct {
		payload []byte
		ops     uint64
		kind    errs.Kind
	}{
		"empty":                   {nil, 0, errs.Malformed},
		"newer version":           {[]byte{0x95, 4, 0xc4, 0, 0x90, 0xc4, 0, 0x90}, 0, errs.VersionUnsupported},
		"columns missing":         {[]byte{0x95, 2, 0xc4, 0, 0x90, 0xc4, 0, 0x90}, 0, errs.Malformed},
		"columns without edit":    {wrapText("c400", "c400", "c400", "a0", "ff00c0"), 1, errs.Malformed},
		"edit without columns":    {wrap(noIDs, keyA, one, change(3, "fff100")), 2, errs.Malformed},
		"edit beyond the columns": {wrapText("c40100", "c400", "c400", "a0", "fff100ef00"), 3, errs.Malformed},
		"edit of columns unused":  {wrapText("c4020000", "c400", "c400", "a0", "fff100"), 2, errs.Malformed},
		"runs missing":            {wrapText("c40101", "c400", "c400", "a0", "fff100"), 2, errs.Malformed},
		"runs unused":             {wrapText("c40100", "c40102", "c40100", "a0", "fff100"), 2, errs.Malformed},
		"run of nothing":          {wrapText("c40101", "c40100", "c40100", "a0", "fff100"), 2, errs.Malformed},
		"place before the text":   {wrapText("c40101", "c40103", "c40101", "a0", "fff100"), 2, errs.Malformed},
		"chars missing":           {wrapText("c40101", "c40102", "c40100", "a0", "fff100"), 2, errs.Malformed},
		"chars unused":            {wrapText("c40101", "c40102", "c40100", "a26161", "fff100"), 2, errs.Malformed},
		"chars ill-formed":        {wrapText("c40101", "c40102", "c40100", "a1ff", "fff100"), 2, errs.Malformed},
		"character cut":           {wrapText("c40102", "c4020202", "c4020000", "a4f09f9880", "fff100"), 2, errs.Malformed},
		"number not in its least": {wrapText("c4028100", "c40102", "c40100", "a161", "fff100"), 2, errs.Malformed},
		"insert into a map":       {wrapText("c40101", "c40102", "c40100", "a0", "ffe90001c0"), 2, errs.Malformed},
		"insert of nothing":       {wrapList("c40101", "c40102", "c40100", "ffed00e90000"), 3, errs.Malformed},
		"container with contents": {wrapList("c40101", "c40102", "c40100", "ffed00e90001930400c0"), 3, errs.Malformed},
		"item of a map":           {wrapText("c40101", "c40102", "c40100", "a0", "ffe800"), 2, errs.Malformed},
		"key of a list":           {wrapList("c40101", "c40102", "c40100", "ffed00f80000"), 3, errs.Malformed},
		"item beyond the table":   {wrapList("c40101", "c40102", "c40100", "ffed00e80001"), 3, errs.Malformed},
		"text without object":     {wrapText("c40101", "c40102", "c40100", "a161", "f100"), 1, errs.Malformed},
		"marks of version 2":      {bytes.Replace(wrapMarks("c4020002", "c4020607", "c4020000", "fff100e60001c3"), []byte{0x9b, 3}, []byte{0x9b, 2}, 1), 3, errs.Malformed},
		"version 3 without marks": {bytes.Replace(wrapText("c40100", "c400", "c400", "a0", "fff100"), []byte{0x9b, 2}, []byte{0x9b, 3}, 1), 2, errs.Malformed},
		"long boundary":           {wrapMarks("c4020002", "c4020a07", "c4020000", "fff100e60001c3"), 3, errs.Malformed},
		"name beyond the table":   {wrapMarks("c4020002", "c4020607", "c4020000", "fff100e60002c3"), 3, errs.Malformed},
		"mark of a list":          {wrapMarks("c4020002", "c4020607", "c4020000", "fff100e60001920601"), 3, errs.UnsupportedValue},
		"mark of a map in a map":  {wrapMarks("c4020002", "c4020607", "c4020000", "fff100e600019304a1619104"), 3, errs.UnsupportedValue},
		"mark ends early":         {wrapMarks("c4020002", "c4020607", "c4020000", "fff100e60001"), 3, errs.Malformed},
		"trailing byte":           {append(wrap(noIDs, "90", one, change(1, "ff")), 0), 1, errs.Malformed},
		"other number of ops":     {wrap(noIDs, "90", one, change(1, "ff")), 2, errs.Malformed},
		"unused key":              {wrap(noIDs, keyA, one, change(1, "ff")), 1, errs.Malformed},
		"unused object":           {wrap(noIDs, "90", one, "90"), 0, errs.Malformed},
		"half an id":              {wrap("c40100", "90", one, change(1, "ff")), 1, errs.Malformed},
		"key without object":      {wrap(noIDs, keyA, noIDs, change(2, "0001")), 1, errs.Malformed},
		"key out of turn":         {wrap(noIDs, keyA, one, change(3, "ff0101")), 2, errs.Malformed},
		"create beyond the table": {wrap(noIDs, "90", one, change(2, "ffff")), 2, errs.Malformed},
		"change without ops":      {wrap(noIDs, "90", one, change(2, "fe00")), 0, errs.Malformed},
		"change ends early":       {wrap(noIDs, keyA, one, change(2, "ff0001")), 2, errs.Malformed},
		"leave the object":        {wrap(noIDs, "90", one, change(2, "fff9")), 1, errs.Malformed},
		"delete of a map":         {wrap(noIDs, keyA, one, change(4, "fffd00f7")), 3, errs.Malformed},
		"unknown element":         {wrap(noIDs, "90", one, change(2, "fff5")), 1, errs.Malformed},
		"feed beyond the table":   {wrap(noIDs, keyA, one, change(5, "fffc000100")), 2, errs.Malformed},
		"map as a value":          {wrap(noIDs, keyA, one, change(3, "ff009104")), 2, errs.Malformed},
		"list as a value":         {wrap(noIDs, keyA, one, change(3, "ff00920601")), 2, errs.Malformed},
		"create properties":       {wrap(noIDs, "90", props, change(1, "ff")), 1, errs.Malformed},
		"delete properties":       {wrap(noIDs, "90", props, change(3, "fe00f7")), 1, errs.Malformed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1)
			err := s.db.Apply(Block{Ref: feed.Ref{Feed: feedID(2), Seq: 1, Hash: id.Hash{1}}, Ops: c.ops, Payload: c.payload})
			if !errs.Is(err, c.kind) {
				t.Fatalf("got %v, want %v", err, c.kind)
			}
			if s.db.HasChanges() || len(s.db.Frontier()) != 0 || s.db.containers.Len() != 1 {
				t.Error("the refused block left something")
			}
		})
	}
	good := Block{Ref: feed.Ref{Feed: feedID(2), Seq: 1, Hash: id.Hash{1}}, Ops: 1, Payload: wrap(noIDs, "90", one, change(1, "ff"))}
	s := newSite(t, 1)
	s.apply(good, good) // the base case of the table is well-formed, and twice is once
	if s.db.ObjectCount() != 1 || wire.NewReader(s.db.Changes(1)).ArrayLen(4) != 4 || s.db.Changes(1) != nil {
		t.Error("the block was not applied once")
	}
}
