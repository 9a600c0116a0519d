//go:build js

package bind

import (
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

// TestObjects_O02_readsWhatThePackageWrites: lists, texts and counters, which a
// page makes by the package, are read as arrays, strings and numbers.
func TestObjects_O02_readsWhatThePackageWrites(t *testing.T) {
	db := objectdb.New(objectdb.Options{})
	db.SetWriter(id.FeedID{1}, feed.Ref{})
	v := id.ObjectID{1}
	typed := func(b []byte, n int, kind uint64) []byte { return wire.AppendUint(wire.AppendArray(b, n), kind) }
	b := wire.AppendBytes(typed(nil, 3, 1), v[:])
	b = typed(b, 7, valueMap)
	b = typed(wire.AppendString(b, "l"), 4, valueList)
	b = wire.AppendFloat(wire.AppendString(b, "a"), 0)
	b = wire.AppendInt(wire.AppendString(typed(b, 3, valueMap), "x"), 1)
	b = wire.AppendInt(typed(wire.AppendString(b, "n"), 2, valueCounter), -7)
	b = wire.AppendString(typed(wire.AppendString(b, "t"), 2, valueText), "té")
	if err := db.Local(b, 1); err != nil {
		t.Fatal(err)
	}
	list, _, err := decoder{wire.NewReader(db.ReadMany(v[:])), db}.records("test")
	if err != nil || len(list) != 1 {
		t.Fatalf("%d objects, %v", len(list), err)
	}
	json, _ := safejs.Global().Get("JSON")
	text, err := json.Call("stringify", list[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := text.String(); got != `{"l":["a",0,{"x":1}],"n":-7,"t":"té"}` {
		t.Errorf("the object is %s", got)
	}
}
