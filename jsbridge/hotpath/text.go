//go:build js

package hotpath

import (
	"unicode/utf8"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

// number runs f on the objects of a space and gives its number, which is not
// negative, or a negative kind.
func number(handle int32, f func(*objectdb.DB) (int, error)) (out int32) {
	status := result(func() ([]byte, error) {
		sp, err := reading(handle)
		if err != nil {
			return nil, err
		}
		return nil, sp.Objects(op, func(db *objectdb.DB) error {
			n, err := f(db)
			out = int32(n)
			return err
		})
	})
	if status < 0 {
		return status
	}
	return out
}

// esItems gives how many items of lists were numbered: the number of the next.
//
//go:wasmexport es_items
func esItems(handle int32) int32 {
	return number(handle, func(db *objectdb.DB) (int, error) { return db.ItemCount(), nil })
}

// esTextFind gives the number of a text: the input is [object, [step...]], of
// which a step is a key or a place in a list.
//
//go:wasmexport es_text_find
func esTextFind(handle, n int32) int32 {
	return number(handle, func(db *objectdb.DB) (int, error) {
		in, err := input(n)
		if err != nil {
			return 0, err
		}
		object, path, err := readPath(in)
		if err != nil {
			return 0, err
		}
		text, err := db.FindText(object, path...)
		return int(text), err
	})
}

// readPath reads [object, [step...]].
func readPath(in []byte) (object id.ObjectID, path []objectdb.Step, err error) {
	r := wire.NewReader(in)
	r.Array(2)
	r.Fixed(object[:])
	for k := r.ArrayLen(64); k > 0 && r.Err() == nil; k-- {
		path = append(path, objectdb.ReadStep(r))
	}
	return object, path, r.Done(op)
}

// esTextLength gives the length of a text in UTF-16 code units.
//
//go:wasmexport es_text_length
func esTextLength(handle, text int32) int32 {
	return number(handle, func(db *objectdb.DB) (int, error) { return db.TextLength(objectdb.Text(text)) })
}

// esTextRead gives the part of a text between two positions as UTF-8.
//
//go:wasmexport es_text_read
func esTextRead(handle, text, from, end int32) int32 {
	return result(func() (out []byte, err error) {
		sp, err := reading(handle)
		if err != nil {
			return nil, err
		}
		err = sp.Objects(op, func(db *objectdb.DB) error {
			out, err = db.AppendText(nil, objectdb.Text(text), int(from), int(end))
			return err
		})
		return out, err
	})
}

// esTextMarks gives how a text is formatted, as objectdb.TextMarks.
//
//go:wasmexport es_text_marks
func esTextMarks(handle, text int32) int32 {
	return result(func() (out []byte, err error) {
		sp, err := reading(handle)
		if err != nil {
			return nil, err
		}
		err = sp.Objects(op, func(db *objectdb.DB) error {
			out, err = db.TextMarks(objectdb.Text(text))
			return err
		})
		return out, err
	})
}

// esTextWatch has es_changes tell what happens in a text, or (0) no longer.
//
//go:wasmexport es_text_watch
func esTextWatch(handle, text, on int32) int32 {
	return number(handle, func(db *objectdb.DB) (int, error) { return 0, db.WatchText(objectdb.Text(text), on != 0) })
}

// esTextAnchor notes a position that is to survive edits, and gives its number.
//
//go:wasmexport es_text_anchor
func esTextAnchor(handle, text, pos, after int32) int32 {
	return number(handle, func(db *objectdb.DB) (int, error) {
		return db.Anchor(objectdb.Text(text), int(pos), after != 0)
	})
}

// esTextAnchorAt gives where an anchor is.
//
//go:wasmexport es_text_anchor_at
func esTextAnchorAt(handle, text, anchor int32) int32 {
	return number(handle, func(db *objectdb.DB) (int, error) { return db.AnchorAt(objectdb.Text(text), int(anchor)) })
}

// esTextAnchorRelease gives an anchor up.
//
//go:wasmexport es_text_anchor_release
func esTextAnchorRelease(handle, text, anchor int32) int32 {
	return number(handle, func(db *objectdb.DB) (int, error) {
		db.ReleaseAnchor(objectdb.Text(text), int(anchor))
		return 0, nil
	})
}

// esTextEdit replaces deleted code units from pos on by the n bytes in the
// input, as a transaction of its own, made at now: milliseconds since 1970. It gives
// one more than the length of the text if all of that is ASCII then, else 0, or a
// negative kind.
//
//go:wasmexport es_text_edit
func esTextEdit(handle, text, pos, deleted, n int32, now float64) int32 {
	return edit(handle, text, pos, deleted, n, now)
}

// esTextType inserts one character of one code unit, and gives what esTextEdit does.
//
//go:wasmexport es_text_type
func esTextType(handle, text, pos, unit int32, now float64) int32 {
	if len(door.in) < utf8.UTFMax {
		esBuffer(utf8.UTFMax)
	}
	return edit(handle, text, pos, 0, int32(utf8.EncodeRune(door.in, unit)), now)
}

// edit is one transaction that edits a text.
func edit(handle, text, pos, deleted, n int32, now float64) (status int32) {
	defer catch(&status)
	if door.dead != nil {
		return fail(door.dead)
	}
	sp, in, err := call(handle, n)
	plain := -1
	if err == nil {
		plain, err = sp.EditText(objectdb.Text(text), int(pos), int(deleted), in, int64(now))
	}
	if err != nil {
		return fail(err)
	}
	return int32(plain + 1)
}
