package elect_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/elect"
	"github.com/leaseholdgo/leasehold/memory"
)

// record is what all candidates of a run share.
type record struct {
	mu      sync.Mutex
	current *elect.Term
	terms   int
}

// elected notes a term. No earlier one may be believed in at this instant.
func (r *record) elected(t *testing.T, term *elect.Term) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.terms++
	if before := r.current; before != nil {
		if term.Number() <= before.Number() {
			t.Errorf("term %d after term %d", term.Number(), before.Number())
		}
		if before.Leads() || before.Context().Err() == nil {
			t.Errorf("term %d began while term %d was believed in", term.Number(), before.Number())
		}
	}
	r.current = term
}

// Three candidates, whatever ends their terms: terms rise, and at most one leads at
// any instant; an observer sees terms rise, each at most once.
func TestAtMostOneLeads(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, store *memory.Store) {
				var r record
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				var wg sync.WaitGroup
				for i := range 3 {
					wg.Go(func() { career(ctx, t, store, &r, rand.New(rand.NewPCG(seed, uint64(i)))) })
				}
				wg.Go(func() { disturb(ctx, store, rand.New(rand.NewPCG(seed, 99))) })
				wg.Go(func() { follow(ctx, t, enter(t, store, "observer")) })
				wg.Wait()
				if r.terms < 25 {
					t.Errorf("only %d terms in half an hour", r.terms)
				}
			})
		})
	}
}

// career campaigns again and again, and ends its terms in every way there is.
func career(ctx context.Context, t *testing.T, store *memory.Store, r *record, random *rand.Rand) {
	c := enter(t, store, "candidate")
	for ctx.Err() == nil {
		term, err := c.Campaign(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			return
		}
		r.elected(t, term)
		lead(ctx, term, time.Duration(random.Int64N(int64(2*ttl))))
		switch random.IntN(4) {
		case 0: // dies without a word
			term.Lock().Hold().Conn.Close()
			c = enter(t, store, "candidate")
		case 1: // ends in an orderly way
			c.client.Close()
			c = enter(t, store, "candidate")
		case 2:
			if c.RequestResign(ctx, "enough") == nil {
				<-term.Context().Done()
			}
			term.Close()
		default:
			term.Close()
		}
	}
}

// lead leads for d, unless the term ends before.
func lead(ctx context.Context, term *elect.Term, d time.Duration) {
	select {
	case <-time.After(d):
	case <-term.Context().Done():
	case <-ctx.Done():
	}
}

// disturb makes outages and black holes, some longer than the TTL, and slow calls.
func disturb(ctx context.Context, store *memory.Store, random *rand.Rand) {
	var mu sync.Mutex // guards random
	pause := func(limit time.Duration) {
		mu.Lock()
		d := time.Duration(random.Int64N(int64(limit)))
		mu.Unlock()
		time.Sleep(d)
	}
	store.Intercept(func(context.Context, memory.Call) error {
		pause(20 * time.Millisecond)
		return nil
	})
	for ctx.Err() == nil {
		pause(4 * time.Minute)
		store.Down(true)
		pause(2 * ttl)
		store.Down(false)
		pause(4 * time.Minute)
		store.Hang(true)
		pause(2 * ttl)
		store.Hang(false)
	}
}

func follow(ctx context.Context, t *testing.T, observer candidate) {
	var last elect.Leadership
	for l, err := range observer.Observe(ctx, elect.ObserveOptions{Interval: 100 * time.Millisecond}) {
		if err != nil {
			continue
		}
		if l.Term < last.Term || l.Term == last.Term && (last.Leader == nil || l.Leader != nil) && last != (elect.Leadership{}) {
			t.Errorf("seen %+v after %+v", l, last)
		}
		last = l
	}
}
