package client_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
)

// past is what is told of the past of a space, whatever its blocks become in storage.
type past struct {
	key   id.SpaceKey
	x     id.ObjectID // the object that is edited
	first objectdb.Version
	want  []string
}

// theirPast has Ada, on p, and Bob edit an object and its text in turn, and then
// leaves Ada alone.
func theirPast(t *testing.T, w *world, p *profile) (*client.Client, past) {
	t.Helper()
	c, a := owner(t, w, p)
	x := put(t, a, "title", "first")
	set(t, a, x, "text", typed(7, str("hello")))
	first := version(t, a)
	b := join(t, a, w.person("Bob"))
	for i := range 10 {
		same(t, a, b)
		change(t, b, x, "title", fmt.Sprint("by Bob ", i))
		typeInto(t, b, x, "b")
		same(t, a, b)
		change(t, a, x, "note", fmt.Sprint("by Ada ", i))
		typeInto(t, a, x, "a")
	}
	same(t, a, b)
	w.hub.SetDown(true)
	ok(t, a.Flush(context.Background(), client.FlushStore))
	return c, past{a.Key(), x, first, pastOf(t, a, x, first)}
}

func (h past) same(t *testing.T, sp *client.Space, how string) {
	t.Helper()
	if got := pastOf(t, sp, h.x, h.first); !slices.Equal(got, h.want) {
		t.Fatalf("%s the past is\n%s\nwant\n%s", how, strings.Join(got, "\n"), strings.Join(h.want, "\n"))
	}
}

// canBeLeft takes Ada's last edits back, and then all that came after the first.
func (h past) canBeLeft(t *testing.T, sp *client.Space) {
	t.Helper()
	undo(t, sp, true) // typed last
	undo(t, sp, true)
	if rec := record(sp, h.x); !holds(rec, "by Ada 8") || !holds(rec, "by Bob 9") {
		t.Errorf("undone it is %q", rec)
	}
	if changed, err := sp.Restore(context.Background(), h.first, client.RestoreOptions{}); err != nil || !changed || !holds(record(sp, h.x), "first") {
		t.Errorf("restored %v, %v: %q", changed, err, record(sp, h.x))
	}
}

// pastOf prints what a space tells of its past, from its first change on.
func pastOf(t *testing.T, sp *client.Space, x id.ObjectID, first objectdb.Version) (out []string) {
	t.Helper()
	ctx := context.Background()
	lines, list := history(t, sp, client.HistoryQuery{})
	out = append(out, lines...)
	for _, c := range list {
		at := objectdb.Version{c.Block}
		past, err := sp.At(ctx, at)
		ok(t, err)
		out = append(out, fmt.Sprintf("%v at %d: %q", c.Author, c.Time, past.Plain(x)))
		d, err := sp.Diff(ctx, first, at)
		ok(t, err)
		out = append(out, fmt.Sprint("since the first: ", d))
	}
	var text objectdb.Text
	ok(t, sp.Objects("test", func(db *objectdb.DB) (err error) {
		text, err = db.FindText(x, objectdb.Key("text"))
		return err
	}))
	blame, err := sp.Blame(ctx, text)
	ok(t, err)
	archive, err := sp.Export(ctx, client.ExportOptions{History: true})
	ok(t, err)
	return append(out, fmt.Sprint(blame), fmt.Sprint(len(archive)/100, " hundred bytes of archive"))
}
