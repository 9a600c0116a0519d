package client

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage/memstore"
)

// queueLog notes what a storeQueue tells.
type queueLog []string

func (l *queueLog) job(name string, keeps bool) storeJob {
	var j storeJob
	j.batch.Put([]byte(name), nil)
	j.done = func(err error) { *l = append(*l, fmt.Sprint(name, " done ", errs.KindOf(err))) }
	if keeps {
		j.refused = func(err error) { *l = append(*l, fmt.Sprint(name, " refused ", errs.KindOf(err))) }
	}
	return j
}

// TestStoreQueue_T03_order refuses jobs: those that others build on keep their
// place, the others are dropped.
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
			"b done STORAGE_FULL", "a refused STORAGE_FULL", "c refused STORAGE_FULL", "d refused STORAGE_FULL",
			"a done OK", "c done OK", "d done OK", "e done OK",
			"f refused STORAGE_FULL", "f done STORAGE_FULL",
		}
		if !slices.Equal(log, want) {
			t.Errorf("got  %q\nwant %q", log, want)
		}
	})
}
