package objectdb

import "github.com/echospace/echospace/core/feed"

// Ready reports whether everything that b follows was applied, so that Apply
// or Skip would not fail with MissingDependency. It looks at no payload.
func (db *DB) Ready(b Block) bool {
	return db.graph.Ready(b.Ref, b.Prev, b.Deltas)
}

// Skip gives a block its place in the graph without its content, so that what
// follows it can be applied: for one that was found to hold nothing that its
// author may write. Its payload is ignored. It fails like Apply.
func (db *DB) Skip(b Block) error {
	db.finish()
	if db.Has(b.Ref) {
		return nil
	}
	parents, err := db.graph.Check(b.Ref, b.Prev, b.Deltas)
	if err != nil {
		return err
	}
	db.closeBurst()
	db.epoch++
	db.advance(b, db.graph.Add(b.Ref, parents, b.Ops))
	return nil
}

// CloseBursts has the next edit begin another burst, and gives how many Cut would
// give by now.
func (db *DB) CloseBursts() int {
	db.closeBurst()
	return len(db.bursts) - db.cut
}

// Pending gives what the bursts that are not written yet follow of other feeds.
func (db *DB) Pending() (refs []feed.Ref) {
	db.closeBurst()
	for _, b := range db.bursts {
		refs = append(refs, b.Deltas...)
	}
	return refs
}

// Follows reports whether the applied block head is r or follows it.
func (db *DB) Follows(head, r feed.Ref) bool {
	n, ok := db.graph.Find(head)
	a, known := db.graph.Find(r)
	return ok && known && db.graph.Contains(n, a)
}

// HasBurst reports whether Cut would give a burst.
func (db *DB) HasBurst() bool { return db.open != nil || db.cut < len(db.bursts) }
