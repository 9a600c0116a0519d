package space_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/objectdb/objectdbtest"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// BenchmarkOpen loads two feeds whose blocks follow each other in turn, as two
// open tabs write them: it costs the blocks, not their square.
func BenchmarkOpen(b *testing.B) {
	for _, count := range []int{500, 2000, 8000} {
		b.Run(fmt.Sprintf("%d blocks in turn", count), func(b *testing.B) {
			e := found(b)
			g := e.join()
			for range count / 2 {
				for _, way := range [][2]*engine{{e, g}, {g, e}} {
					way[0].write()
					in := way[0].next(way[1])
					way[1].save(in)
					if err := way[1].Commit(in); err != nil {
						b.Fatal(err)
					}
					way[1].Settle(nil)
				}
			}
			for b.Loop() {
				g.reopen(g.st)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/block")
			if g.Waiting() > 0 {
				b.Fatal("changes wait")
			}
		})
	}
}

// BenchmarkRepack types automerge-paper as people do, 60 to 260 milliseconds from
// key to key, with each edit in a block of its own, and then has repacks of all but
// the last block. It reports how many bytes are stored before and after that, keys
// and all, and how long it takes per block to read the feed again, before and after.
func BenchmarkRepack(b *testing.B) {
	edits, _ := objectdbtest.ReadTrace(b, "automerge-paper")
	for b.Loop() {
		e := found(b)
		e.typeTrace(edits)
		fid := e.writing(feed.Data)
		per := func(metric string, f func()) {
			at := time.Now()
			f()
			b.ReportMetric(float64(time.Since(at).Nanoseconds())/float64(len(edits)), metric)
		}
		size := func() (n int) {
			for _, rec := range e.records(fid) {
				n += len(rec.Key) + len(rec.Value)
			}
			return n
		}
		b.ReportMetric(float64(size()), "B/plain")
		per("ns/load-plain", func() { e.load(fid) })
		head := e.Log(fid).Heads()[0].Seq
		for from := uint64(1); from < head; from += feed.MaxRepack {
			if e.fold(fid, from, min(from+feed.MaxRepack, head)-1) == nil {
				b.Fatal("a run is not repacked")
			}
		}
		if n := e.plain(fid); n != 1 {
			b.Fatalf("%d blocks are left", n)
		}
		b.ReportMetric(float64(size()), "B/repacked")
		per("ns/load-repacked", func() { e.load(fid) })
	}
	b.ReportMetric(0, "ns/op")
}

// typeTrace types a trace into a text, a block for each edit.
func (e *engine) typeTrace(edits []objectdbtest.Edit) {
	e.t.Helper()
	v := id.ObjectID(testEnv().Bytes(16))
	ops := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 3), 1), v[:])
	ops = wire.AppendString(wire.AppendUint(wire.AppendArray(ops, 3), 4), "text")
	ops = wire.AppendString(wire.AppendUint(wire.AppendArray(ops, 2), 7), "")
	now := time.Now().UnixMilli()
	ok(e.t, e.DB().Local(ops, now))
	text, err := e.DB().FindText(v, objectdb.Key("text"))
	ok(e.t, err)
	r := rand.New(rand.NewPCG(1, 2))
	for _, x := range edits {
		now += 60 + r.Int64N(200)
		ok(e.t, e.DB().EditText(text, x.Pos, x.Deleted, x.Inserted, now))
		e.DB().EndTask()
		in, err := e.Build()
		ok(e.t, err)
		e.store(in)
	}
}

// load reads a feed from storage into a Space that has nothing.
func (e *engine) load(f id.FeedID) {
	e.t.Helper()
	s := space.Open(testEnv(), e.self, e.rec)
	rec, err := e.st.Get(ctx, feed.HeaderKey(e.rec.Key, f))
	ok(e.t, err)
	if damage := s.Load(storage.Entry{Key: feed.HeaderKey(e.rec.Key, f), Value: rec}, e.records(f), func() {}); damage != nil {
		e.t.Fatal(damage)
	}
}
