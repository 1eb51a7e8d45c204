// Command cron runs a job that every host starts at the same time, on one of them
// only: the others find the lock held, and that is not an error.
//
// The store is in memory and the hosts are goroutines, so that it runs anywhere;
// in earnest each host runs this with postgres.New(pool, postgres.Config{}).
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"sync/atomic"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func main() {
	store := memory.New()
	var ran, left atomic.Int32
	done := make(chan struct{}) // keeps the job running until every host has tried
	var hosts sync.WaitGroup
	for i := range 3 {
		hosts.Go(func() {
			err := nightly(context.Background(), store, fmt.Sprint("host-", i), func(context.Context) error {
				ran.Add(1)
				<-done
				return nil
			})
			switch {
			case errors.Is(err, leasehold.ErrHeld):
				if left.Add(1) == 2 {
					close(done)
				}
			case err != nil:
				log.Fatal(err)
			}
		})
	}
	hosts.Wait()
	fmt.Println("ran on", ran.Load(), "host; found it running on", left.Load())
}

// nightly runs job unless another host does. Its context ends if the lock is lost.
func nightly(ctx context.Context, store *memory.Store, host string, job func(context.Context) error) error {
	client, err := leasehold.Open(ctx, store, leasehold.Config{Owner: host})
	if err != nil {
		return err
	}
	defer client.Close()
	return client.TryDo(ctx, "nightly", func(ctx context.Context, lock *leasehold.Lock) error {
		return job(ctx)
	})
}
