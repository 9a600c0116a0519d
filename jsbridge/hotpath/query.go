//go:build js

package hotpath

import (
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

// asked runs f on the objects of a space, or of its past, with the input, which f
// may keep.
func asked(handle, n int32, f func(db *objectdb.DB, in []byte) ([]byte, error)) int32 {
	return result(func() (out []byte, err error) {
		sp, in, err := read(handle, n)
		if err != nil {
			return nil, err
		}
		in = append([]byte(nil), in...)
		err = sp.Objects(op, func(db *objectdb.DB) error {
			out, err = f(db, in)
			return err
		})
		return out, err
	})
}

// esQueryOpen opens the live query in the input: [number, ids].
//
//go:wasmexport es_query_open
func esQueryOpen(handle, n int32) int32 {
	return asked(handle, n, func(db *objectdb.DB, q []byte) ([]byte, error) {
		number, ids, err := db.OpenQuery(q)
		if err != nil {
			return nil, err
		}
		out := wire.AppendArray(make([]byte, 0, len(ids)+16), 2)
		out = wire.AppendUint(out, uint64(number))
		return wire.AppendBytes(out, ids), nil
	})
}

// esQuery gives the ids of the objects in the query in the input, as they are now.
//
//go:wasmexport es_query
func esQuery(handle, n int32) int32 {
	return asked(handle, n, func(db *objectdb.DB, q []byte) ([]byte, error) { return db.Query(q) })
}

// esQueryCount gives how many objects meet the conditions of the query in the
// input.
//
//go:wasmexport es_query_count
func esQueryCount(handle, n int32) (count int32) {
	status := asked(handle, n, func(db *objectdb.DB, q []byte) ([]byte, error) {
		k, err := db.Count(q)
		count = int32(k)
		return nil, err
	})
	if status < 0 {
		return status
	}
	return count
}

// esQueryExplain tells how the query in the input is answered; see
// objectdb.DB.Explain.
//
//go:wasmexport es_query_explain
func esQueryExplain(handle, n int32) int32 {
	return asked(handle, n, func(db *objectdb.DB, q []byte) ([]byte, error) { return db.Explain(q) })
}

// esIndexCreate declares the index in the input.
//
//go:wasmexport es_index_create
func esIndexCreate(handle, n int32) int32 {
	return asked(handle, n, func(db *objectdb.DB, x []byte) ([]byte, error) { return nil, db.CreateIndex(x) })
}

// esIndexDrop takes the index in the input away.
//
//go:wasmexport es_index_drop
func esIndexDrop(handle, n int32) int32 {
	return asked(handle, n, func(db *objectdb.DB, x []byte) ([]byte, error) { return nil, db.DropIndex(x) })
}

// esIndexBuild puts about so many objects into the indexes and gives how many are
// left.
//
//go:wasmexport es_index_build
func esIndexBuild(handle, rows int32) int32 {
	return number(handle, func(db *objectdb.DB) (int, error) { return db.BuildIndexes(int(rows)), nil })
}
