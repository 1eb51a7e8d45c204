package elect_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/elect"
	"github.com/leaseholdgo/leasehold/memory"
)

// The tests run in virtual time. TTL 10 s: renewals every 3.333 s, margin 250 ms.
const (
	ttl    = 10 * time.Second
	margin = 250 * time.Millisecond
	trust  = ttl - margin
)

// bubble runs f in virtual time on a store of its own.
func bubble(t *testing.T, f func(t *testing.T, store *memory.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, memory.New()) })
}

// candidate is somebody who may campaign.
type candidate struct {
	*elect.Election
	client *leasehold.Client
}

func enter(t *testing.T, store *memory.Store, owner string) candidate {
	t.Helper()
	client, err := leasehold.Open(t.Context(), store, leasehold.Config{TTL: ttl, Owner: owner})
	for errors.Is(err, leasehold.ErrUnavailable) {
		time.Sleep(time.Second)
		client, err = leasehold.Open(t.Context(), store, leasehold.Config{TTL: ttl, Owner: owner})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	election, err := elect.New(client, "office")
	if err != nil {
		t.Fatal(err)
	}
	return candidate{election, client}
}

// win campaigns until elected.
func (c candidate) win(t *testing.T) *elect.Term {
	t.Helper()
	term, err := c.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return term
}

// elected is the outcome of a campaign in the background.
type elected struct {
	term *elect.Term
	err  error
	at   time.Time
}

// run campaigns in the background and is in the queue when it returns.
func (c candidate) run(t *testing.T) <-chan elected {
	result := make(chan elected, 1)
	go func() {
		term, err := c.Campaign(t.Context())
		result <- elected{term, err, time.Now()}
	}()
	synctest.Wait()
	return result
}

// next waits for an election, which must be a success.
func next(t *testing.T, result <-chan elected) elected {
	t.Helper()
	e := <-result
	if e.err != nil {
		t.Fatal(e.err)
	}
	t.Cleanup(func() { e.term.Close() })
	return e
}

// wantEnd checks that a term has ended, and why.
func wantEnd(t *testing.T, term *elect.Term, causes ...error) {
	t.Helper()
	if term.Leads() {
		t.Errorf("term %d is still believed in", term.Number())
	}
	for _, cause := range causes {
		if got := causeOf(term); !errors.Is(got, cause) {
			t.Errorf("term %d ended with %v, want %v", term.Number(), got, cause)
		}
	}
}
