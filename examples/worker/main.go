// Command worker handles the jobs of several customers with several workers: any
// number of customers at once, but never two workers on one customer.
//
// The store is in memory, so that it runs anywhere. Put postgres.New(pool,
// postgres.Config{}) in its place, and the workers can run on many hosts.
package main

import (
	"context"
	"fmt"
	"log"
	"sync"
	"sync/atomic"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	client, err := leasehold.Open(ctx, memory.New(), leasehold.Config{Owner: "worker"})
	if err != nil {
		return err
	}
	defer client.Close()

	balance := map[string]*int{"ada": new(int), "bob": new(int), "eve": new(int)}
	var failed atomic.Int32
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for customer, cents := range balance {
				err := client.Do(ctx, "customer/"+customer, func(ctx context.Context, lock *leasehold.Lock) error {
					*cents += 100 // nobody else touches this customer now
					return nil
				})
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	workers.Wait()
	fmt.Println("ada", *balance["ada"], "bob", *balance["bob"], "eve", *balance["eve"], "failed", failed.Load())
	return nil
}
