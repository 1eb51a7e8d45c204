// Command leader elects one leader among replicas with a plain loop around Acquire:
// whoever holds the lock leads, until it resigns, dies, or loses the lock. The
// fence numbers the terms.
package main

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func main() {
	store := memory.New()
	terms := make(chan uint64)
	ctx, stop := context.WithCancel(context.Background())
	var replicas sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		replicas.Go(func() {
			client, err := leasehold.Open(context.Background(), store, leasehold.Config{Owner: name})
			if err != nil {
				log.Fatal(err)
			}
			defer client.Close()
			campaign(ctx, client, func(term context.Context, number uint64) {
				select {
				case terms <- number: // the leader's work
				case <-term.Done():
				}
			})
		})
	}
	first, second := <-terms, <-terms
	stop()
	replicas.Wait()
	fmt.Println("the second term has the larger number:", second > first)
}

// campaign leads again and again, a term at a time, until ctx ends. lead resigns by
// returning; its context ends when the leadership is lost.
func campaign(ctx context.Context, client *leasehold.Client, lead func(term context.Context, number uint64)) {
	for ctx.Err() == nil {
		err := client.Do(ctx, "leader", func(term context.Context, lock *leasehold.Lock) error {
			lead(term, lock.Fence())
			return nil
		})
		if err != nil && ctx.Err() == nil {
			log.Print(err) // lost, or not to be had: campaign again
		}
	}
}
