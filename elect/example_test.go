package elect_test

import (
	"context"
	"fmt"
	"log"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/elect"
	"github.com/leaseholdgo/leasehold/memory"
)

// Two candidates; the first leads and resigns, and the second leads in a later term.
func Example() {
	ctx, store := context.Background(), memory.New()
	var last uint64
	for _, name := range []string{"a", "b"} {
		client, err := leasehold.Open(ctx, store, leasehold.Config{Owner: name})
		if err != nil {
			log.Fatal(err)
		}
		defer client.Close()
		election, err := elect.New(client, "scheduler")
		if err != nil {
			log.Fatal(err)
		}
		term, err := election.Campaign(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(term.Owner(), "leads:", term.Leads(), "- in a later term:", term.Number() > last)
		last = term.Number()
		if err := term.Resign(ctx); err != nil {
			log.Fatal(err)
		}
		fmt.Println(term.Owner(), "leads:", term.Leads(), "-", context.Cause(term.Context()))
	}
	// Output:
	// a leads: true - in a later term: true
	// a leads: false - leasehold: the lock was released
	// b leads: true - in a later term: true
	// b leads: false - leasehold: the lock was released
}

// The observer sees who leads when it begins, and then each change.
func ExampleElection_Observe() {
	ctx := context.Background()
	client, err := leasehold.Open(ctx, memory.New(), leasehold.Config{Owner: "a"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	election, err := elect.New(client, "scheduler")
	if err != nil {
		log.Fatal(err)
	}
	term, err := election.Campaign(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for now, err := range election.Observe(ctx, elect.ObserveOptions{}) {
		switch {
		case err != nil:
			log.Print(err) // what ErrUnavailable matches may pass
		case now.Leader != nil:
			fmt.Println(now.Leader.Owner, "leads")
			term.Close()
		default:
			fmt.Println("nobody leads")
			return
		}
	}
	// Output:
	// a leads
	// nobody leads
}
