package objectdb

import (
	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
)

// imageVersion is that of the pages. It must grow with every change of what they
// hold or of what that means: there is one reader, the version that wrote them.
const imageVersion = 1

// The sections of an image. A page is named by its section and its number in it.
const (
	sectionMeta = iota
	sectionNodes
	sectionContainers
	sectionFields
	sectionItems
	sectionSlots
	sectionTexts
	sectionLists
	sectionValues
	sections
)

// Rows of a page, and bytes of one that holds texts or lists.
var pageRows = [sections]int{
	sectionNodes: 2048, sectionContainers: 4096, sectionFields: 16384, sectionItems: 8192, sectionSlots: 16384,
}

const pageBytes = 96 << 10

// PageName names a page of an image.
type PageName uint64

func pageName(section, number int) PageName { return PageName(section)<<32 | PageName(number) }

// Page is a piece of an image of a database.
type Page struct {
	Name PageName
	// Stamp, if it is not zero, is the same again only if the page is.
	Stamp uint64
	Bytes []byte // stay what they are
}

// Image is the state of a database at one moment, taken page by page: objects,
// texts and lists with their histories, and the graph of changes, without what is
// not in a block yet. Restore makes the database again.
//
// The database may be read between two pages, but not changed: then Next says
// that the image has come to nothing.
type Image struct {
	db      *DB
	epoch   uint64
	meta    flat.Pack
	values  []flat.Segment
	pages   [sections]int // how many were taken
	section int
	at      int // row of the section that comes next
}

// Image begins an image; false while there are edits that are not Written, or a block
// is applied bit by bit.
func (db *DB) Image() (*Image, bool) {
	if db.held != nil || db.open != nil || len(db.bursts) > 0 {
		return nil, false
	}
	im := &Image{db: db, epoch: db.epoch, values: db.values.Segments(), section: sectionNodes}
	p := &im.meta
	p.Uint(imageVersion)
	for section := sectionNodes; section <= sectionLists; section++ {
		p.Uint(uint64(im.rows(section)))
	}
	p.Uint(uint64(db.alive))
	p.Uint(uint64(db.fields.Vacant() + 1))
	db.keys.Pack(p)
	db.graph.Pack(p)
	db.values.Pack(p)
	return im, true
}

// rows is how many rows a section has.
func (im *Image) rows(section int) int {
	db := im.db
	return [...]int{
		sectionNodes: db.graph.Len(), sectionContainers: db.containers.Len(), sectionFields: db.fields.Len(), sectionItems: db.items.Len(),
		sectionSlots: db.slotRows.Len(), sectionTexts: len(db.texts), sectionLists: len(db.lists), sectionValues: len(im.values),
	}[section]
}

// Settled reports whether all that is still to come is fixed, whatever changes.
func (im *Image) Settled() bool { return im.section >= sectionValues }

// Next takes the next page; more is false when there is none. It fails with
// Aborted if the database has changed before the image was Settled.
func (im *Image) Next() (page Page, more bool, err error) {
	for im.section < sectionValues && im.at == im.rows(im.section) {
		im.section, im.at = im.section+1, 0
	}
	if im.section < sectionValues {
		if im.db.epoch != im.epoch {
			return Page{}, false, errs.New("objectdb.Image", errs.Cancelled, "the database has changed")
		}
		return im.take(im.packRows()), true, nil
	}
	for im.section == sectionValues && im.at < len(im.values) {
		s := im.values[im.at]
		im.at++
		if n := len(s.Data); n > 0 {
			// Born counts segments, and a segment has less than 2^31 bytes.
			return Page{pageName(sectionValues, im.at-1), s.Born<<32 | uint64(n), s.Data}, true, nil
		}
	}
	if im.section == sectionValues {
		im.section = sections
		for section := sectionNodes; section < sectionValues; section++ {
			im.meta.Uint(uint64(im.pages[section]))
		}
		return Page{pageName(sectionMeta, 0), 0, im.meta.Bytes}, true, nil
	}
	return Page{}, false, nil
}

// take makes a page of the present section.
func (im *Image) take(b []byte) Page {
	im.pages[im.section]++
	return Page{pageName(im.section, im.pages[im.section]-1), 0, b}
}

// packRows packs the next rows of the section, as many as go into a page.
func (im *Image) packRows() []byte {
	var p flat.Pack
	db, from, all := im.db, im.at, im.rows(im.section)
	if per := pageRows[im.section]; per > 0 {
		im.at = min(all, from+per)
		p.Uint(uint64(im.at - from))
		switch im.section {
		case sectionNodes:
			db.graph.PackNodes(&p, from, im.at)
		case sectionContainers:
			db.packContainers(&p, from, im.at)
		case sectionFields:
			db.packFields(&p, from, im.at)
		case sectionItems:
			db.packItems(&p, from, im.at)
		case sectionSlots:
			db.packSlots(&p, from, im.at)
		}
		return p.Bytes
	}
	for im.at < all && len(p.Bytes) < pageBytes {
		if im.section == sectionTexts {
			db.packText(&p, db.texts[im.at])
		} else {
			db.packList(&p, db.lists[im.at])
		}
		im.at++
	}
	n := flat.Pack{}
	n.Uint(uint64(im.at - from))
	return append(n.Bytes, p.Bytes...)
}
