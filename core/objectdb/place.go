package objectdb

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

// HasBurst reports whether Cut would give a burst.
func (db *DB) HasBurst() bool { return db.open != nil || db.cut < len(db.bursts) }
