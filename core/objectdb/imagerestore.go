package objectdb

import (
	"hash/maphash"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
)

// Restoring is a database that is being made from the pages of an Image.
type Restoring struct {
	db      *DB
	open    func(PageName) []byte
	rows    [sections]int
	pages   [sections]int
	section int
	at      int // page of the section that comes next
}

// maxRows bounds the rows of a section: what a number of a row can be.
const maxRows = 1 << 30

// Restore begins to make a database from the pages of an Image, each of which open
// gives once, for the database to keep; nil for one that is not there. It fails
// with StorageCorrupt or VersionUnsupported.
func Restore(o Options, open func(PageName) []byte) (*Restoring, error) {
	const op = "objectdb.Restore"
	r := &Restoring{db: blank(o), open: open, section: sectionNodes}
	u := flat.NewUnpack(open(pageName(sectionMeta, 0)))
	if v := u.Uint(1 << 16); !u.Bad() && v != imageVersion {
		return nil, errs.New(op, errs.VersionUnsupported, "version %d of an image is not %d", v, imageVersion)
	}
	for section := sectionNodes; section <= sectionLists; section++ {
		r.rows[section] = int(u.Uint(maxRows))
	}
	db := r.db
	db.alive = int(u.Uint(uint64(r.rows[sectionContainers])))
	db.fields.SetVacant(int32(u.Uint(uint64(r.rows[sectionFields]))) - 1)
	db.keys.Unpack(u)
	db.graph.Unpack(u, r.rows[sectionNodes])
	db.values.Unpack(u, func(segment int) []byte { return open(pageName(sectionValues, segment)) })
	for section := sectionNodes; section < sectionValues; section++ {
		r.pages[section] = int(u.Uint(maxRows))
	}
	if !u.Done() || r.rows[sectionContainers] == 0 {
		return nil, corrupt("the page of its numbers is not whole")
	}
	db.slots = make([]int32, db.keys.Len())
	return r, nil
}

func corrupt(what string) error {
	return errs.New("objectdb.Restore", errs.StorageCorrupt, "an image does not read: %s", what)
}

// Next takes the next page in; when more is false all are, and DB gives the
// database. After an error there is none.
func (r *Restoring) Next() (more bool, err error) {
	for r.section < sectionValues && r.at == r.pages[r.section] {
		if r.length() != r.rows[r.section] {
			return false, corrupt("rows are missing")
		}
		r.section, r.at = r.section+1, 0
	}
	if r.section < sectionValues {
		u := flat.NewUnpack(r.open(pageName(r.section, r.at)))
		r.at++
		if r.unpack(u, int(u.Uint(uint64(r.rows[r.section]-r.length())))); !u.Done() {
			return false, corrupt("a page is not whole")
		}
		return true, nil
	}
	if r.section == sectionValues {
		r.section++
		db := r.db
		db.indexFields()
		if db.containers.At(propertiesRow).id != PropertiesID {
			return false, corrupt("its first object is another")
		}
	}
	return false, nil
}

// DB is the database, once all pages are in.
func (r *Restoring) DB() *DB { return r.db }

// length is how many rows of the present section are in.
func (r *Restoring) length() int {
	im := Image{db: r.db}
	return im.rows(r.section)
}

func (r *Restoring) unpack(u *flat.Unpack, n int) {
	switch r.section {
	case sectionNodes:
		r.db.graph.UnpackNodes(u, n)
	case sectionContainers:
		r.unpackContainers(u, n)
	case sectionFields:
		r.unpackFields(u, n)
	case sectionItems:
		r.unpackItems(u, n)
	case sectionSlots:
		r.unpackSlots(u, n)
	case sectionTexts:
		for ; n > 0 && !u.Bad(); n-- {
			r.unpackText(u)
		}
	case sectionLists:
		for ; n > 0 && !u.Bad(); n-- {
			r.unpackList(u)
		}
	}
}

// indexFields finds the fields of containers that have many.
func (db *DB) indexFields() {
	for c := range int32(db.containers.Len()) {
		if row := db.containers.At(c); row.count > manyFields {
			n := row.count // whatever the chain says
			for i := row.first; i != none && n > 0; i = db.fields.At(i).Link {
				db.byField.Insert(db.fieldHash(c, db.fields.At(i).Tag), i)
				n--
			}
		}
	}
}

func (db *DB) idHash(c *container) uint64 { return maphash.Bytes(db.seed, c.id[:]) }
