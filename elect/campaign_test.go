package elect_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/elect"
	"github.com/leaseholdgo/leasehold/memory"
)

func causeOf(term *elect.Term) error {
	if term.Context().Err() == nil {
		return nil
	}
	return context.Cause(term.Context())
}

func TestCandidatesAreElectedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		first := enter(t, store, "a").win(t)
		second, third := enter(t, store, "b").run(t), enter(t, store, "c").run(t)
		time.Sleep(time.Hour)
		if len(second)+len(third) > 0 || !first.Leads() {
			t.Fatal("somebody was elected beside the leader")
		}
		resigned := time.Now()
		if err := first.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, first, leasehold.ErrReleased)
		b := next(t, second)
		if b.at != resigned || b.term.Number() <= first.Number() || b.term.Owner() != "b" {
			t.Errorf("%s was elected %v after the resignation, term %d after %d",
				b.term.Owner(), b.at.Sub(resigned), b.term.Number(), first.Number())
		}
		if len(third) > 0 {
			t.Fatal("two were elected by one resignation")
		}
		if err := b.term.Close(); err != nil {
			t.Fatal(err)
		}
		if c := next(t, third); c.at != resigned || c.term.Number() <= b.term.Number() {
			t.Errorf("elected after %v, term %d after %d", c.at.Sub(resigned), c.term.Number(), b.term.Number())
		}
	})
}

// A resignation is one call to the store, and tells the successor with it.
func TestResignationIsOneCommit(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		first := enter(t, store, "a").win(t)
		second := enter(t, store, "b").run(t)
		calls := map[string]int{}
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if !call.Done {
				calls[call.Op]++
			}
			return nil
		})
		first.Close()
		e := next(t, second)
		store.Intercept(nil)
		if calls["Release"] != 1 || calls["Acquire"] != 0 || calls["TakeOver"] != 0 {
			t.Errorf("term %d began after the calls %v", e.term.Number(), calls)
		}
	})
}

func TestTermOutlivesTheCampaign(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		term, err := enter(t, store, "a").Campaign(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer term.Close()
		cancel()
		time.Sleep(time.Hour)
		if !term.Leads() || term.Context().Err() != nil {
			t.Error("the term ended with the campaign's context")
		}
		if term.Context().Value(key{}) != "value" {
			t.Error("the term's context lacks the values of the campaign's")
		}
	})
}

func TestCampaignGivenUpLeavesTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		leader := enter(t, store, "a").win(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := enter(t, store, "b").Campaign(ctx)
		var held *leasehold.HeldError
		if !errors.As(err, &held) || !errors.Is(err, context.DeadlineExceeded) || held.Holder.Owner != "a" {
			t.Errorf("error %v", err)
		}
		third := enter(t, store, "c").run(t)
		leader.Close()
		next(t, third)
	})
}

// A leader without a database knows that it leads no longer, exactly at its
// deadline; who is reachable again is elected after it.
func TestLeaderIsLostInAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		start := time.Now()
		first := enter(t, store, "a").win(t)
		second := enter(t, store, "b").run(t)
		store.Down(true)
		<-first.Context().Done()
		if d := time.Since(start); d != trust {
			t.Errorf("the term ended after %v, want %v", d, trust)
		}
		wantEnd(t, first, leasehold.ErrExpired, leasehold.ErrLost)
		time.Sleep(time.Minute)
		store.Down(false)
		if e := next(t, second); e.term.Number() <= first.Number() {
			t.Errorf("term %d after %d", e.term.Number(), first.Number())
		}
		if err := first.Close(); !errors.Is(err, leasehold.ErrLost) {
			t.Errorf("resigning from a lost term: %v", err)
		}
	})
}

// A leader that dies without a word is replaced within its TTL, and not before it
// would have stopped believing.
func TestLeaderDies(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		first := enter(t, store, "a").win(t)
		second, third := enter(t, store, "b").run(t), enter(t, store, "c").run(t)
		time.Sleep(time.Minute)
		died, deadline := time.Now(), first.Lock().Deadline()
		first.Lock().Hold().Conn.Close()
		e := next(t, second)
		if !e.at.After(deadline) {
			t.Errorf("elected %v before the end of the trust", deadline.Sub(e.at))
		}
		if d := e.at.Sub(died); d > ttl+margin+100*time.Millisecond {
			t.Errorf("elected %v after the death", d)
		}
		wantEnd(t, first, leasehold.ErrExpired)
		if len(third) > 0 {
			t.Error("two were elected after one death")
		}
	})
}

func TestRequestResign(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		leader := enter(t, store, "a")
		first := leader.win(t)
		second, operator := enter(t, store, "b"), enter(t, store, "operator")
		waiting := second.run(t)
		time.Sleep(time.Minute)
		asked := time.Now()
		if err := operator.RequestResign(t.Context(), "deploying"); err != nil {
			t.Fatal(err)
		}
		<-first.Context().Done()
		if time.Since(asked) != 0 {
			t.Errorf("the leader was told after %v", time.Since(asked))
		}
		wantEnd(t, first, leasehold.ErrRevoked, leasehold.ErrLost)
		var revoked *leasehold.RevokedError
		if !errors.As(causeOf(first), &revoked) || revoked.By != "operator" || revoked.Reason != "deploying" {
			t.Errorf("the leader was told %v", causeOf(first))
		}
		time.Sleep(time.Second) // the leader clears up
		if len(waiting) > 0 {
			t.Fatal("a successor was elected before the leader had let go")
		}
		if err := operator.RequestResign(t.Context(), "again"); err != nil {
			t.Errorf("asking twice: %v", err)
		}
		again := leader.run(t)
		first.Close()
		e := next(t, waiting)
		if e.at.Sub(asked) != time.Second {
			t.Errorf("elected %v after the request, want %v", e.at.Sub(asked), time.Second)
		}
		e.term.Close()
		next(t, again) // who was asked may campaign again
	})
}

// A leader that was asked to resign and does not stir is replaced after its TTL.
func TestRequestResignOfALeaderThatDoesNotStir(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		first := enter(t, store, "a").win(t)
		second := enter(t, store, "b").run(t)
		asked := time.Now()
		if err := enter(t, store, "operator").RequestResign(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		e := next(t, second)
		if d := e.at.Sub(asked); d < ttl || d > ttl+margin+ttl/2 {
			t.Errorf("elected %v after the request", d)
		}
		wantEnd(t, first, leasehold.ErrRevoked)
	})
}

func TestRequestResignWithoutALeader(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		c := enter(t, store, "a")
		for range 2 { // never a leader; none any more
			if err := c.RequestResign(t.Context(), "x"); !errors.Is(err, leasehold.ErrNotHeld) {
				t.Errorf("error %v", err)
			}
			c.win(t).Close()
		}
	})
}

// The leader resigns while it is about to be asked: nobody else may be hit.
func TestRequestResignIsForTheLeaderThatWasSeen(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		first := enter(t, store, "a").win(t)
		second := enter(t, store, "b").run(t)
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if call.Op == "Revoke" && !call.Done {
				store.Intercept(nil)
				first.Close()
			}
			return nil
		})
		if err := enter(t, store, "operator").RequestResign(t.Context(), "x"); err != nil {
			t.Error(err)
		}
		e := next(t, second)
		time.Sleep(ttl)
		if !e.term.Leads() {
			t.Errorf("the successor was asked: %v", causeOf(e.term))
		}
	})
}

func TestClientClosed(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		leader, candidate := enter(t, store, "a"), enter(t, store, "b")
		first, second, third := leader.win(t), candidate.run(t), enter(t, store, "c").run(t)
		candidate.client.Close()
		if e := <-second; !errors.Is(e.err, leasehold.ErrClosed) {
			t.Errorf("a campaign ended with %v", e.err)
		}
		leader.client.Close()
		wantEnd(t, first, leasehold.ErrClosed, leasehold.ErrLost)
		next(t, third)
		if _, err := leader.Campaign(t.Context()); !errors.Is(err, leasehold.ErrClosed) {
			t.Errorf("a campaign of a closed client: %v", err)
		}
		synctest.Wait()
	})
}

func TestNamesAreChecked(t *testing.T) {
	for _, name := range []string{"", "a\x00b", "a\xff"} {
		if _, err := elect.New(nil, name); !errors.Is(err, leasehold.ErrInvalid) {
			t.Errorf("%q: error %v", name, err)
		}
	}
}
