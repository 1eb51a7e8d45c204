package testing

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// Sync copies batches under the lock "sync" until there are no more, or the lock is
// lost. It is the code under test.
func Sync(ctx context.Context, client *leasehold.Client, batch func(ctx context.Context) (more bool, err error)) error {
	return client.Do(ctx, "sync", func(ctx context.Context, lock *leasehold.Lock) error {
		for {
			more, err := batch(ctx)
			if err != nil || !more {
				return err
			}
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	})
}
