package client

import (
	"context"
	"sync"
	"time"

	"github.com/echospace/echospace/core/storage"
)

// storeQueue writes the batches of one space in order, several in one
// transaction while it is behind. The completion of a batch is called after its
// transaction completed, in order.
type storeQueue struct {
	store storage.Store
	rest  func() // lets other events through during long work
	mu    sync.Mutex
	jobs  []storeJob
	wake  chan struct{}
}

// storeJob is one batch. Its functions are called from the queue's goroutine,
// without locks.
type storeJob struct {
	batch      storage.Batch
	durability storage.Durability
	// refused makes the job one that later jobs build on: while storage refuses
	// it, it is told why, keeps its place, and is tried again. nil: the job is
	// dropped.
	refused func(error)
	// done is called once: with nil after the transaction, else with the reason
	// why the job was dropped, or could not be stored before the queue ended.
	done func(error)
}

const (
	// maxGroup bounds the bytes of one transaction.
	maxGroup = 4 << 20
	// retryStore is the pause after a write that storage refused.
	retryStore = time.Second
)

func newStoreQueue(st storage.Store, rest func()) *storeQueue {
	return &storeQueue{store: st, rest: rest, wake: make(chan struct{}, 1)}
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

// putBack makes jobs the first again.
func (q *storeQueue) putBack(jobs []storeJob) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(jobs, q.jobs...)
}

// run writes until ctx is done, and then, once, what is queued already.
func (q *storeQueue) run(ctx context.Context) {
	for ctx.Err() == nil {
		jobs := q.take()
		if len(jobs) == 0 {
			select {
			case <-q.wake:
			case <-ctx.Done():
			}
			continue
		}
		kept, err := q.write(jobs)
		if len(kept) == 0 {
			continue
		}
		q.putBack(kept)
		for _, j := range kept {
			j.refused(err)
		}
		pause := time.NewTimer(retryStore)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
	for jobs := q.take(); len(jobs) > 0; jobs = q.take() {
		kept, err := q.write(jobs)
		for _, j := range kept {
			j.done(err)
		}
	}
}

// write applies jobs as one transaction; if that is refused, one by one, so
// that a full medium refuses as little as possible. From the first refused job
// on that keeps its place, all that do are given back with its error, for they
// may build on it.
func (q *storeQueue) write(jobs []storeJob) (kept []storeJob, refusal error) {
	ctx := context.Background() // a write that was begun is finished
	if len(jobs) > 1 {
		var group storage.Batch
		d := jobs[0].durability
		for i := range jobs {
			group.Append(&jobs[i].batch)
			d = max(d, jobs[i].durability)
		}
		if q.store.Apply(ctx, &group, d) == nil {
			for _, j := range jobs {
				j.done(nil)
				q.rest()
			}
			return nil, nil
		}
	}
	for _, j := range jobs {
		err := refusal
		if err == nil || j.refused == nil {
			err = q.store.Apply(ctx, &j.batch, j.durability)
		}
		if err == nil || j.refused == nil {
			j.done(err)
			continue
		}
		kept, refusal = append(kept, j), err
	}
	return kept, refusal
}
