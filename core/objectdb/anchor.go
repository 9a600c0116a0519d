package objectdb

import "github.com/echospace/echospace/core/errs"

// anchor is a position in a text that stays with the characters beside it.
type anchor struct {
	pos   int32
	after bool // stays with the character behind it, else with the one before
	used  bool
}

// move has an anchor follow a replacement.
func (a *anchor) move(pos, deleted, inserted int32) {
	if a.pos > pos {
		a.pos = max(pos, a.pos-deleted)
	}
	if a.pos > pos || a.pos == pos && a.after {
		a.pos += inserted
	}
}

// Anchor notes a position of a text that is to survive edits, and gives a number
// for it. What is inserted at the very position comes before it if after is set,
// and behind it if not. It fails with NotFound, and with InvalidArgument for a
// position that is not in the text.
func (db *DB) Anchor(t Text, pos int, after bool) (int, error) {
	x, err := db.text(t)
	if err == nil {
		err = db.checkEdit(x, pos, 0, nil)
	}
	if err != nil {
		return 0, err
	}
	fresh := anchor{int32(pos), after, true}
	for i := range x.anchors {
		if !x.anchors[i].used {
			x.anchors[i] = fresh
			return i, nil
		}
	}
	x.anchors = append(x.anchors, fresh)
	return len(x.anchors) - 1, nil
}

// AnchorAt is where an anchor is now. It fails with NotFound.
func (db *DB) AnchorAt(t Text, n int) (int, error) {
	x, err := db.text(t)
	if err == nil && (n < 0 || n >= len(x.anchors) || !x.anchors[n].used) {
		err = errs.New("objectdb.AnchorAt", errs.NotFound, "the text has no anchor %d", n)
	}
	if err != nil {
		return 0, err
	}
	return int(x.anchors[n].pos), nil
}

// ReleaseAnchor gives an anchor up; one that is unknown is passed over.
func (db *DB) ReleaseAnchor(t Text, n int) {
	if x, err := db.text(t); err == nil && n >= 0 && n < len(x.anchors) {
		x.anchors[n].used = false
	}
}

// moveAnchors has the anchors of a text follow a replacement.
func (x *textState) moveAnchors(pos, deleted, inserted int32) {
	for i := range x.anchors {
		x.anchors[i].move(pos, deleted, inserted)
	}
}
