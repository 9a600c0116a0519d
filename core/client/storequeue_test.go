package client

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
)

// queueLog notes what a storeQueue tells.
type queueLog []string

func (l *queueLog) job(name string, own bool) storeJob {
	j := storeJob{own: own}
	j.batch.Put([]byte(name), nil)
	j.done = func(err error) { *l = append(*l, fmt.Sprint(name, " done ", errs.KindOf(err))) }
	j.refused = func(err error) { *l = append(*l, fmt.Sprint(name, " refused ", errs.KindOf(err))) }
	return j
}

// TestStoreQueue_T03_order refuses jobs: they keep their place among those of
// their kind, and own ones go first.
func TestStoreQueue_T03_order(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.NewFaultStore(memstore.NewDisk())
		st.SetFull(true)
		q := newStoreQueue(st, func() {})
		var log queueLog
		for _, name := range []string{"a", "b", "c", "d"} {
			q.add(log.job(name, name != "b"))
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			q.run(ctx)
		}()
		synctest.Wait() // the queue pauses
		q.add(log.job("e", true))
		st.SetFull(false)
		time.Sleep(retryStore)
		synctest.Wait()
		st.SetFull(true)
		q.add(log.job("f", true))
		synctest.Wait()
		cancel()
		<-ended
		want := []string{
			"a refused STORAGE_FULL", "b refused STORAGE_FULL", "c refused STORAGE_FULL", "d refused STORAGE_FULL",
			"a done OK", "c done OK", "d done OK", "b done OK", "e done OK",
			"f refused STORAGE_FULL", "f done STORAGE_FULL",
		}
		if !slices.Equal(log, want) {
			t.Errorf("got  %q\nwant %q", log, want)
		}
	})
}

// tightStore takes no batch of more than a few bytes.
type tightStore struct{ storage.Store }

func (s tightStore) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	if b.Size() > 100 {
		return errs.New("test", errs.StorageFull, "no room")
	}
	return s.Store.Apply(ctx, b, d)
}

// TestStoreQueue_T03_ownDoNotWait: what was received and has no room does not
// hold up an own edit that has.
func TestStoreQueue_T03_ownDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStoreQueue(tightStore{memstore.New()}, func() {})
		var log queueLog
		large := log.job("received", false)
		large.batch.Put([]byte("large"), make([]byte, 200))
		q.add(large)
		q.add(log.job("behind it", false))
		q.add(log.job("own", true))
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			q.run(ctx)
		}()
		synctest.Wait()
		cancel()
		<-ended
		want := []string{
			"own done OK", "received refused STORAGE_FULL", "behind it refused STORAGE_FULL",
			"received done STORAGE_FULL", "behind it done STORAGE_FULL",
		}
		if !slices.Equal(log, want) {
			t.Errorf("got  %q\nwant %q", log, want)
		}
	})
}
