package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// grant is the outcome of an attempt: the locks and what they hang on, or err.
type grant struct {
	job    job
	locks  []*leasehold.Lock // all that were asked for, in the order of the command line
	any    context.Context   // ends with the first of the locks that ends, with its cause
	client *leasehold.Client
	store  *openStore
	err    error
}

// acquire opens the database and gets the locks. tell is given a line to show
// when a wait is long. When ctx ends first, nothing of the attempt is left.
func acquire(ctx context.Context, j job, tell func(string)) grant {
	var trouble trouble
	store, client, err := connect(ctx, j, &trouble)
	if err != nil {
		return grant{err: err}
	}
	g := grant{job: j, client: client, store: store}
	g.err = g.obtainAll(ctx, func(info leasehold.Info) { tell(trouble.line(info)) })
	if cause := context.Cause(ctx); cause != nil {
		g.err = cause
	}
	if g.err != nil {
		g.forgo(quickClose)
		return g
	}
	g.any = context.Background()
	for _, lock := range g.locks {
		g.any, _ = lock.Bind(g.any) // stopped by the end of the locks
	}
	return g
}

// obtainAll gets the locks of all names. When one is lost while it waits for
// another, as after an outage, it gives the others back and begins again.
func (g *grant) obtainAll(ctx context.Context, tell func(leasehold.Info)) error {
	if g.job.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, g.job.Wait)
		defer cancel()
	}
	for {
		err := g.obtainEach(ctx, tell)
		if ctx.Err() != nil || !errors.Is(err, leasehold.ErrLost) {
			return err
		}
		locks := g.locks
		g.locks = nil
		within(quickClose, func() { g.giveBack(locks, true) })
	}
}

// obtainEach takes the names in byte order, as AcquireAll does, so that runs never
// wait for one another in a circle.
func (g *grant) obtainEach(ctx context.Context, tell func(leasehold.Info)) error {
	for _, name := range slices.Sorted(slices.Values(g.job.Names)) {
		lock, err := g.obtain(ctx, name, tell)
		if err != nil {
			return err
		}
		g.locks = append(g.locks, lock)
		var stop context.CancelFunc
		ctx, stop = lock.Bind(ctx)
		defer stop()
	}
	slices.SortFunc(g.locks, func(a, b *leasehold.Lock) int {
		return cmp.Compare(slices.Index(g.job.Names, a.Name()), slices.Index(g.job.Names, b.Name()))
	})
	for _, lock := range g.locks {
		if err := context.Cause(lock.Context()); err != nil {
			return err
		}
	}
	return nil
}

// longWait is how long a wait may be without a word.
const longWait = time.Second

// obtain gets one lock.
func (g *grant) obtain(ctx context.Context, name string, tell func(leasehold.Info)) (*leasehold.Lock, error) {
	if g.job.Try {
		return g.client.TryAcquire(ctx, name, g.job.options()...)
	}
	explain := time.AfterFunc(longWait, func() {
		if info, err := g.client.Get(ctx, name); err == nil && ctx.Err() == nil {
			tell(info)
		}
	})
	defer explain.Stop()
	return g.client.Acquire(ctx, name, g.job.options()...)
}

// granted reports whether the locks are there.
func (g *grant) granted() bool { return len(g.locks) > 0 }

// held reports whether each lock may be believed in at this instant.
func (g *grant) held() bool {
	return !slices.ContainsFunc(g.locks, func(lock *leasehold.Lock) bool { return !lock.Held() })
}

// lostCause returns why the first of the locks ended, or nil.
func (g *grant) lostCause() error { return context.Cause(g.any) }

// quickClose bounds what is sent to the database when nothing more is owed to
// anybody: the attempt was given up, or a lock is lost. What does not get
// through is cleared by the lease's expiry.
const quickClose = time.Second

// close gives back the locks and ends the client, within limit.
func (g *grant) close(limit time.Duration) { g.end(limit, false) }

// forgo is close for locks under which nothing was run.
func (g *grant) forgo(limit time.Duration) { g.end(limit, true) }

func (g *grant) end(limit time.Duration, unused bool) {
	locks := g.locks
	g.locks = nil
	within(limit, func() {
		g.giveBack(locks, unused)
		_ = g.client.Close()
		g.store.close()
	})
}

// giveBack releases the locks, all at the same time. If they were not used it also ends
// their minimum hold, which is for a command that was run.
func (g *grant) giveBack(locks []*leasehold.Lock, unused bool) {
	var all sync.WaitGroup
	for _, lock := range locks {
		all.Go(func() {
			_ = lock.Close()
			if unused && g.job.MinHold > 0 {
				_ = g.client.Revoke(context.Background(), lock.Name(), lock.Fence(), "nothing was run under it")
			}
		})
	}
	all.Wait()
}

// within waits for f to return, and for limit at most.
func within(limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
