package measure

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// warmUp is what each turn begins with and does not count.
const warmUp = 50 * time.Millisecond

// counter counts half cycles; it is counted by one goroutine, on a cache line of its own.
type counter struct {
	atomic.Int64
	_ [120]byte
}

// cycle is what goroutine i repeats. It calls half when it has done half of it: all may be
// in the same half during a short window.
type cycle func(ctx context.Context, i int, half func()) error

// rate lets goroutines repeat a cycle and returns how many they complete in a second
// of the window, during which all of them are at work.
func rate(ctx context.Context, goroutines int, window time.Duration, do cycle) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	counters := make([]counter, goroutines)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range counters {
		wg.Go(func() {
			half := func() { counters[i].Add(1) }
			for !stop.Load() {
				if err := do(ctx, i, half); err != nil {
					cancel(err) // the first one is the cause
					return
				}
				half()
			}
		})
	}
	pause(ctx, warmUp)
	start, before := time.Now(), total(counters)
	pause(ctx, window)
	took, done := time.Since(start), total(counters)-before
	stop.Store(true)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	if done == 0 {
		return 0, errors.New("not one cycle was completed")
	}
	return float64(done) / 2 / took.Seconds(), nil
}

func total(counters []counter) int64 {
	var sum int64
	for i := range counters {
		sum += counters[i].Load()
	}
	return sum
}

// pause sleeps until d has passed or ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// once lets each goroutine do something once.
func once(ctx context.Context, goroutines int, do func(ctx context.Context, i int) error) error {
	errs := make([]error, goroutines)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() { errs[i] = do(ctx, i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
