package objectdb

import "testing"

// TestUndo_O12_formattedText: characters of a text that has marks go and come back
// where they were; the marks stay.
func TestUndo_O12_formattedText(t *testing.T) {
	a, b := twoTexts(t, "hello world")
	a.db.ClearUndo()
	b.do(opFormat(objID(1), 2, 8, []markOf{{"bold", 0, vInt(1)}}, "t"))
	sync(a, b)
	x := a.text(1, "t")
	states := []string{"hello world"}
	for _, e := range []struct {
		pos, deleted int
		inserted     string
	}{{1, 3, ""}, {0, 0, "++"}, {3, 5, "X"}, {4, 1, ""}, {0, 1, "Y"}} {
		a.typed(x, e.pos, e.deleted, e.inserted)
		states = append(states, contentOf(t, a.db, x))
	}
	for range 2 {
		for n := len(states) - 2; n >= 0; n-- {
			a.undo(true)
			a.wantText(1, states[n])
		}
		for n := 1; n < len(states); n++ {
			a.redo(true)
			a.wantText(1, states[n])
		}
		sync(a, b)
		b.wantText(1, states[len(states)-1])
	}
}
