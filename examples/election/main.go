// Command election is a service of which any number of processes may run on a
// host, while one of them at a time does the work: the leader. Stopped with SIGTERM
// or Ctrl-C it resigns, and the next one leads at once; killed, too.
//
//	go run . -db locks.db -owner a
//
// The locks are in an SQLite file. Put postgres.New(pool, postgres.Config{}) in its
// place, and the processes can run on many hosts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/elect"
	"github.com/leaseholdgo/leasehold/sqlite"
)

func main() {
	path := flag.String("db", "locks.db", "SQLite `file` of the locks")
	owner := flag.String("owner", "", "the `name` of this candidate, for people")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *path, *owner); err != nil {
		log.Fatal(err)
	}
}

// serve takes part in the election until ctx ends.
func serve(ctx context.Context, path, owner string) error {
	client, err := leasehold.Open(ctx, sqlite.Open(path), leasehold.Config{Owner: owner})
	if err != nil {
		return err
	}
	defer client.Close()
	election, err := elect.New(client, "scheduler")
	if err != nil {
		return err
	}
	for {
		term, err := election.Campaign(ctx)
		if ctx.Err() != nil {
			return resign(term)
		}
		if err != nil {
			return err
		}
		lead(ctx, term)
		if err := resign(term); err != nil {
			return err
		}
	}
}

// lead does the leader's work until ctx or the term ends. What the work changes
// elsewhere should carry the number of the term, so that it can be refused when a
// later term has begun.
func lead(ctx context.Context, term *elect.Term) {
	fmt.Printf("%s leads, term %d\n", term.Owner(), term.Number())
	bound, stop := term.Lock().Bind(ctx)
	defer stop()
	for work := time.NewTicker(10 * time.Millisecond); bound.Err() == nil; {
		select {
		case <-work.C:
		case <-bound.Done():
		}
	}
}

// resign ends a term, if there is one. That it was lost is no failure of the service.
func resign(term *elect.Term) error {
	if term == nil {
		return nil
	}
	err := term.Close()
	fmt.Printf("%s leads no more: %v\n", term.Owner(), context.Cause(term.Context()))
	if errors.Is(err, leasehold.ErrLost) {
		return nil
	}
	return err
}
