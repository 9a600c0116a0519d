package objectdb

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

func (r *replica) show() string { return showAll(r.db) }

// objectRows are the objects that exist, in their order.
func objectRows(db *DB) (rows []int32) {
	for c := range int32(db.containers.Len()) {
		if c != propertiesRow && db.containers.At(c).parent == none && db.exists(c) {
			rows = append(rows, c)
		}
	}
	slices.SortFunc(rows, db.order)
	return rows
}

func showAll(db *DB) string {
	var b strings.Builder
	for _, c := range objectRows(db) {
		row := db.containers.At(c)
		creator := db.graph.FeedID(db.graph.FeedOf(row.created.Node))
		fmt.Fprintf(&b, "%s deleted=%v by %d:%x %s\n", row.id, db.deleted(c), db.graph.Lamport(row.created), creator[:2], showMap(db, c))
	}
	b.WriteString(showMap(db, propertiesRow))
	return b.String()
}

// showMap prints a container as the twin does.
func showMap(db *DB, c int32) string {
	var parts []string
	for f := db.containers.At(c).first; f != none; f = db.fields.At(f).Link {
		parts = append(parts, fmt.Sprintf("%s:%s ", db.keys.At(db.fields.At(f).Tag), showField(db, f)))
	}
	sort.Strings(parts)
	return "{" + strings.Join(parts, "") + "}"
}

func showField(db *DB, f int32) string {
	var values []string
	children := map[int32]bool{}
	for _, v := range db.fields.Versions(nil, f) {
		child := childWord(v.Value)
		switch {
		case child != none && children[child]:
		case child != none:
			children[child] = true
			values = append(values, showContainer(db, child))
		case v.Value == wordDeleted:
			values = append(values, "")
		default:
			values = append(values, encodedText(db.appendWord(nil, v.Value)))
		}
	}
	return strings.Join(values, "|")
}

func showContainer(db *DB, c int32) string {
	switch row := db.containers.At(c); row.kind {
	case typeCounter:
		return fmt.Sprintf("8(%d)", row.number)
	case typeText:
		b, _ := db.AppendText(nil, Text(c), 0, math.MaxInt32)
		if m := db.textOf(c).marks; m != nil && len(m.rows) > 0 {
			return fmt.Sprintf("7(%q %x)", b, db.packMarks(db.textOf(c)))
		}
		return fmt.Sprintf("7(%q)", b)
	case typeList:
		var items []string
		l := db.listOf(c)
		hidden := 0
		for _, s := range l.slots {
			if db.isShown(s) {
				items = append(items, showField(db, db.items.At(db.slotRows.At(s).item).field))
			} else {
				hidden++
			}
		}
		if hidden != l.hidden {
			return fmt.Sprintf("%d slots are hidden, %d are said to be", hidden, l.hidden)
		}
		return "[" + strings.Join(items, " ") + "]"
	}
	return showMap(db, c)
}

func (t twin) showAll(all slots) string {
	var b strings.Builder
	for _, o := range t.objects() {
		b.WriteString(t.showObject(o, all) + "\n")
	}
	b.WriteString(t.showMap(PropertiesID.String(), all))
	return b.String()
}
