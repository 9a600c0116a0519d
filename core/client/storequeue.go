package client

import (
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/echospace/echospace/core/storage"
)

// storeQueue finishes and writes the batches of one space in order, several in one
// transaction while it is behind. The completion of a batch is called after its
// transaction completed, in order. A batch that storage refuses is tried again,
// before all later ones of its kind: own blocks build on own ones, received ones
// on received ones. Own edits do not wait for what others wrote, which these
// others keep.
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
	own        bool
	// finish makes the rest of the batch, about size bytes; nil if nothing is missing.
	// It may wait, and is called again if it failed.
	finish func(ctx context.Context, b *storage.Batch) error
	size   int
	// refused is told each time why the job cannot be finished, or storage refuses it.
	refused func(error)
	// done is called once: with nil after the transaction, else with the reason
	// why the job could not be stored before the queue ended.
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
	for n < len(q.jobs) && (n == 0 || size+q.jobs[n].bytes() <= maxGroup) {
		size += q.jobs[n].bytes()
		n++
	}
	jobs := q.jobs[:n:n]
	q.jobs = q.jobs[n:]
	return jobs
}

// bytes is about how large the job's batch is, or will be.
func (j *storeJob) bytes() int { return j.batch.Size() + j.size }

// putBack makes jobs the first again, and own ones the first of all: however
// much was received, they are tried.
func (q *storeQueue) putBack(jobs []storeJob) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = slices.Concat(jobs, q.jobs)
	sort.SliceStable(q.jobs, func(i, j int) bool { return q.jobs[i].own && !q.jobs[j].own })
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
		kept, why := q.write(jobs)
		if len(kept) == 0 {
			continue
		}
		q.putBack(kept)
		for _, j := range kept {
			j.refused(why[j.own])
		}
		pause := time.NewTimer(retryStore)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
	for jobs := q.take(); len(jobs) > 0; jobs = q.take() {
		kept, why := q.write(jobs)
		for _, j := range kept {
			j.done(why[j.own])
		}
	}
}

// write applies jobs as one transaction; if that is refused, one by one, so
// that a full medium refuses as little as possible. It gives back the refused
// ones and those of their kind that follow, and why by kind: own or not.
func (q *storeQueue) write(jobs []storeJob) (kept []storeJob, why map[bool]error) {
	ctx := context.Background() // a write that was begun is finished
	jobs, late, unfinished := finish(ctx, jobs)
	if len(late) > 0 {
		defer func() { // own ones, which follow the others that are kept
			if kept = append(kept, late...); why == nil {
				why = map[bool]error{}
			}
			if why[true] == nil {
				why[true] = unfinished
			}
		}()
	}
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
	why = map[bool]error{}
	for _, j := range jobs {
		if why[j.own] == nil {
			if why[j.own] = q.store.Apply(ctx, &j.batch, j.durability); why[j.own] == nil {
				j.done(nil)
				continue
			}
		}
		kept = append(kept, j)
	}
	return kept, why
}

// finish finishes the jobs that are not. It gives those that can be written, and, from
// the first that cannot be finished on, the others of its kind, and why.
func finish(ctx context.Context, jobs []storeJob) (ready, late []storeJob, why error) {
	for _, j := range jobs {
		if j.finish != nil && why == nil {
			if why = j.finish(ctx, &j.batch); why == nil {
				j.finish, j.size = nil, 0
			}
		}
		if j.own && why != nil {
			late = append(late, j)
			continue
		}
		ready = append(ready, j)
	}
	return ready, late, why
}
