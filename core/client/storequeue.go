package client

import (
	"context"
	"sync"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
)

// storeQueue writes the batches of one space in order, several in one
// transaction while it is behind. The completion of a batch is called after its
// transaction completed, in order.
type storeQueue struct {
	store storage.Store
	mu    sync.Mutex
	jobs  []storeJob
	wake  chan struct{}
}

type storeJob struct {
	batch      storage.Batch
	durability storage.Durability
	done       func(error)
}

// maxGroup bounds the bytes of one transaction.
const maxGroup = 4 << 20

func newStoreQueue(st storage.Store) *storeQueue {
	return &storeQueue{store: st, wake: make(chan struct{}, 1)}
}

// add appends a job. It never blocks.
func (q *storeQueue) add(j storeJob) {
	q.mu.Lock()
	q.jobs = append(q.jobs, j)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *storeQueue) take() []storeJob {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.jobs) && (n == 0 || size+q.jobs[n].batch.Size() <= maxGroup) {
		size += q.jobs[n].batch.Size()
		n++
	}
	jobs := q.jobs[:n:n]
	q.jobs = q.jobs[n:]
	return jobs
}

// run writes until ctx is done, and then what is queued already.
func (q *storeQueue) run(ctx context.Context) {
	for {
		if jobs := q.take(); len(jobs) > 0 {
			q.write(jobs)
			continue
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			for jobs := q.take(); len(jobs) > 0; jobs = q.take() {
				q.write(jobs)
			}
			return
		}
	}
}

// write applies jobs as one transaction; if that does not fit, one by one, so
// that a full medium refuses as little as possible. The order is kept: after a
// failed job the later ones of the group fail with it, since they build on it.
func (q *storeQueue) write(jobs []storeJob) {
	ctx := context.Background() // a write that was begun is finished
	group := jobs[0].batch
	if len(jobs) > 1 {
		group = storage.Batch{}
	}
	d := jobs[0].durability
	for i := range jobs {
		if len(jobs) > 1 {
			group.Append(&jobs[i].batch)
		}
		d = max(d, jobs[i].durability)
	}
	err := q.store.Apply(ctx, &group, d)
	if err == nil || len(jobs) == 1 || !errs.Is(err, errs.StorageFull) {
		for _, j := range jobs {
			j.done(err)
		}
		return
	}
	err = nil
	for _, j := range jobs {
		if err == nil {
			err = q.store.Apply(ctx, &j.batch, j.durability)
		}
		j.done(err)
	}
}
