package elect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/elect"
	"github.com/leaseholdgo/leasehold/memory"
)

// sight is one thing that an observer was shown.
type sight struct {
	elect.Leadership
	err error
	at  time.Time
}

// watch observes in the background until the test ends.
func (c candidate) watch(t *testing.T, o elect.ObserveOptions) <-chan sight {
	seen := make(chan sight, 1000)
	go func() {
		defer close(seen)
		for l, err := range c.Observe(t.Context(), o) {
			seen <- sight{l, err, time.Now()}
		}
	}()
	return seen
}

// look takes the next sight, which must come within limit.
func look(t *testing.T, seen <-chan sight, limit time.Duration) sight {
	t.Helper()
	synctest.Wait()
	select {
	case s := <-seen:
		return s
	case <-time.After(limit + time.Nanosecond):
		t.Fatalf("nothing was seen within %v", limit)
		return sight{}
	}
}

func TestLeader(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := enter(t, store, "a"), enter(t, store, "b")
		want := func(what string, number uint64, owner string) {
			t.Helper()
			l, err := b.Leader(t.Context())
			if err != nil || l.Term != number || (l.Leader == nil) != (owner == "") || owner != "" && l.Leader.Owner != owner {
				t.Errorf("%s: %+v, %v", what, l, err)
			}
		}
		want("before the first term", 0, "")
		term := a.win(t)
		want("in a term", term.Number(), "a")
		if err := b.RequestResign(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		want("asked to resign", term.Number(), "a")
		term.Close()
		want("after a term", term.Number(), "")
		term = a.win(t)
		store.EndLeases()
		want("when the lease is gone", term.Number(), "")
		store.Down(true)
		if _, err := b.Leader(t.Context()); !errors.Is(err, leasehold.ErrUnavailable) {
			t.Errorf("in an outage: %v", err)
		}
		store.Down(false)
	})
}

func TestObserve(t *testing.T) {
	for _, interval := range []time.Duration{0, 10 * time.Millisecond, time.Minute} {
		t.Run(fmt.Sprint(interval), func(t *testing.T) {
			bubble(t, func(t *testing.T, store *memory.Store) {
				limit := interval
				if limit == 0 {
					limit = elect.DefaultInterval
				}
				a, b := enter(t, store, "a"), enter(t, store, "b")
				seen := enter(t, store, "observer").watch(t, elect.ObserveOptions{Interval: interval})
				want := func(number uint64, owner string) {
					t.Helper()
					s := look(t, seen, limit)
					if s.err != nil || s.Term != number || (s.Leader == nil) != (owner == "") || owner != "" && s.Leader.Owner != owner {
						t.Errorf("seen %+v, want term %d of %q", s, number, owner)
					}
				}
				want(0, "") // the present state comes first
				first := a.win(t)
				want(first.Number(), "a")
				waiting := b.run(t)
				time.Sleep(10 * limit) // a candidate more is no change
				first.Close()
				second := next(t, waiting).term
				want(second.Number(), "b")
				second.Close()
				want(second.Number(), "")
				third := b.win(t)
				want(third.Number(), "b")
				time.Sleep(10 * limit)
				if len(seen) > 0 {
					t.Errorf("seen without a change: %+v", <-seen)
				}
			})
		})
	}
}

// What comes and goes between two looks is not seen; what is seen, once.
func TestObserveSkips(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a := enter(t, store, "a")
		seen := enter(t, store, "observer").watch(t, elect.ObserveOptions{Interval: time.Minute})
		look(t, seen, 0)
		var last uint64
		for range 10 {
			term := a.win(t)
			last = term.Number()
			term.Close()
		}
		if s := look(t, seen, time.Minute); s.Term != last || s.Leader != nil {
			t.Errorf("seen %+v, want the end of term %d", s, last)
		}
		time.Sleep(time.Hour)
		if len(seen) > 0 {
			t.Errorf("seen twice: %+v", <-seen)
		}
	})
}

func TestObserveCosts(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		observer := enter(t, store, "observer")
		reads := 0
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if call.Op != "Read" {
				t.Errorf("an observer calls %s", call.Op)
			}
			if !call.Done {
				reads++
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 1000*time.Second)
		defer cancel()
		for range observer.Observe(ctx, elect.ObserveOptions{}) {
		}
		if reads < 1000 || reads > 2001 {
			t.Errorf("%d reads in 1000 s", reads)
		}
	})
}

// An outage is told, again with each look, and then forgotten; a closed client
// ends the observation.
func TestObserveInAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		observer := enter(t, store, "observer")
		seen := observer.watch(t, elect.ObserveOptions{})
		look(t, seen, 0)
		store.Down(true)
		for range 3 {
			if s := look(t, seen, elect.DefaultInterval); !errors.Is(s.err, leasehold.ErrUnavailable) {
				t.Errorf("seen %+v", s)
			}
		}
		store.Down(false)
		term := enter(t, store, "a").win(t)
		if s := look(t, seen, elect.DefaultInterval); s.err != nil || s.Term != term.Number() {
			t.Errorf("seen %+v", s)
		}
		observer.client.Close()
		if s := look(t, seen, elect.DefaultInterval); !errors.Is(s.err, leasehold.ErrClosed) {
			t.Errorf("seen %+v", s)
		}
		if _, more := <-seen; more {
			t.Error("a closed client observes")
		}
	})
}

// The loop ends at once with ctx, also within a look that hangs, and when left. What
// it would leave behind, the bubble would wait for.
func TestObserveEnds(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		observer := enter(t, store, "observer")
		for name, hang := range map[string]bool{"between looks": false, "in a look": true} {
			start := time.Now()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Second, func() { store.Hang(hang) })
			time.AfterFunc(101*time.Second+time.Nanosecond, cancel)
			for l, err := range observer.Observe(ctx, elect.ObserveOptions{}) {
				if err != nil || time.Since(start) != 0 {
					t.Errorf("%s: seen %+v, %v", name, l, err)
				}
			}
			if d := time.Since(start); d != 101*time.Second+time.Nanosecond {
				t.Errorf("%s: it ended after %v", name, d)
			}
			store.Hang(false)
		}
		for range observer.Observe(t.Context(), elect.ObserveOptions{}) {
			break
		}
		synctest.Wait()
	})
}

// A fail-over that loses the last terms shows as their end, never as the return of
// an earlier one.
func TestObserveAcrossAFailover(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := enter(t, store, "a"), enter(t, store, "b")
		first := a.win(t)
		seen := enter(t, store, "observer").watch(t, elect.ObserveOptions{})
		if s := look(t, seen, 0); s.Term != first.Number() {
			t.Fatalf("seen %+v", s)
		}
		promote := store.Standby()
		waiting := b.run(t)
		first.Close()
		second := next(t, waiting).term
		if s := look(t, seen, elect.DefaultInterval); s.Term != second.Number() {
			t.Fatalf("seen %+v", s)
		}
		promote()
		if s := look(t, seen, elect.DefaultInterval); s.Term != second.Number() || s.Leader != nil {
			t.Errorf("seen %+v, want the end of term %d", s, second.Number())
		}
		<-second.Context().Done()
		wantEnd(t, second, leasehold.ErrLost)
		third := b.win(t)
		if s := look(t, seen, elect.DefaultInterval); s.Term != third.Number() || third.Number() <= second.Number() {
			t.Errorf("seen %+v, want term %d", s, third.Number())
		}
	})
}
