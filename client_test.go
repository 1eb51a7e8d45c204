package leasehold_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func TestOneRenewalWhateverIsHeld(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		for i := range 10_000 {
			acquire(t, client, fmt.Sprint(i))
		}
		time.Sleep(ttl) // by then it listens
		n := count(store)
		time.Sleep(10 * ttl)
		if got := n.of("RenewLease"); got != 30 || n.total() != 30+n.of("Listen") {
			t.Errorf("calls in ten TTLs with 10,000 locks: %v", n.n)
		}
	})
}

func TestIdleClientWritesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		acquire(t, client, "x").Close()
		time.Sleep(ttl)
		n := count(store)
		time.Sleep(time.Hour)
		if n.total() != 0 {
			t.Errorf("an idle client called %v", n.n)
		}
		acquire(t, client, "x").Close()
	})
}

func TestWaitersWriteNothingAndReadLittle(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		acquire(t, open(t, store, leasehold.Config{}), "x")
		waiter := open(t, store, leasehold.Config{})
		for range 100 {
			go waiter.Acquire(t.Context(), "x")
		}
		time.Sleep(time.Second)
		n := count(store)
		time.Sleep(10 * ttl)
		if n.of("Acquire")+n.of("Release")+n.of("TakeOver")+n.of("EndLease") != 0 {
			t.Errorf("waiters wrote: %v", n.n)
		}
		if n.of("Read") > 100 {
			t.Errorf("%d reads in ten TTLs for one hundred waiters", n.of("Read"))
		}
	})
}

func TestHazard21_CloseDoesNotHangBehindAStuckCall(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		lock := acquire(t, client, "x")
		stuck := make(chan struct{})
		store.Intercept(func(context.Context, memory.Call) error {
			<-stuck // heeds no context
			return nil
		})
		start := time.Now()
		client.Close()
		if d := time.Since(start); d > ttl {
			t.Errorf("Close took %v", d)
		}
		wantCause(t, context.Cause(lock.Context()), leasehold.ErrLost, leasehold.ErrClosed)
		close(stuck)
	})
}

func TestCloseReleasesAndEndsWaits(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client, other := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		lock := acquire(t, client, "x")
		theirs := acquire(t, other, "y")
		wait := make(chan error)
		go func() {
			_, err := client.Acquire(t.Context(), "y")
			wait <- err
		}()
		synctest.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		wantCause(t, <-wait, leasehold.ErrClosed)
		wantCause(t, lock.Close(), leasehold.ErrLost, leasehold.ErrClosed)
		if _, err := client.Acquire(t.Context(), "z"); !errors.Is(err, leasehold.ErrClosed) {
			t.Errorf("acquired from a closed client: %v", err)
		}
		free(t, other, "x")
		theirs.Close()
		free(t, other, "y")
		if err := client.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestShutdownWaitsForHolders(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		lock := acquire(t, client, "x")
		start := time.Now()
		go func() {
			time.Sleep(time.Hour)
			if !lock.Held() {
				t.Error("lost during Shutdown")
			}
			lock.Close()
		}()
		if err := client.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != time.Hour {
			t.Errorf("Shutdown took %v", d)
		}
	})
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		lock := acquire(t, client, "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantCause(t, client.Shutdown(ctx), context.DeadlineExceeded)
		wantCause(t, context.Cause(lock.Context()), leasehold.ErrClosed)
	})
}

func TestHazard04_DoReturnsTheLossEvenIfTheFunctionDoesNot(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		err := client.Do(t.Context(), "x", func(ctx context.Context, lock *leasehold.Lock) error {
			store.Lose("x")
			<-ctx.Done()
			return nil
		})
		wantCause(t, err, leasehold.ErrLost)
		own := errors.New("own")
		err = client.Do(t.Context(), "x", func(ctx context.Context, lock *leasehold.Lock) error {
			store.Lose("x")
			<-ctx.Done()
			return own
		})
		wantCause(t, err, leasehold.ErrLost, own)
		if err := client.TryDo(t.Context(), "x", func(context.Context, *leasehold.Lock) error { return own }); err != own {
			t.Errorf("the function's error was wrapped: %v", err)
		}
		free(t, client, "x")
	})
}

func TestDoReleasesAfterAPanic(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		func() {
			defer func() { recover() }()
			client.Do(t.Context(), "x", func(context.Context, *leasehold.Lock) error { panic("own") })
		}()
		free(t, client, "x")
	})
}

func TestHazard07_AFailedTryReturnsNoHandle(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		client, n := open(t, store, leasehold.Config{}), count(store)
		lock, err := client.TryAcquire(t.Context(), "x")
		if lock != nil || err == nil {
			t.Fatalf("lock %v, error %v", lock, err)
		}
		synctest.Wait()
		if n.of("Release") != 0 {
			t.Error("what was not granted is released")
		}
		time.Sleep(time.Minute)
		if !held.Held() {
			t.Error("the holder lost its lock")
		}
	})
}

func TestHazard08_ReleaseDuringARenewalLeavesNoGhost(t *testing.T) {
	for range 100 {
		bubble(t, func(t *testing.T, store *memory.Store) {
			client := open(t, store, leasehold.Config{})
			store.Intercept(func(_ context.Context, call memory.Call) error {
				if call.Done {
					time.Sleep(5 * time.Millisecond)
				}
				return nil
			})
			lock := acquire(t, client, "x")
			time.Sleep(ttl/3 - 2*time.Millisecond) // the renewal is in flight
			if err := lock.Close(); err != nil {
				t.Error(err)
			}
			free(t, client, "x")
		})
	}
}

func TestHazard14_ReleaseByAnOldHolderFreesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		old := acquire(t, open(t, store, leasehold.Config{}), "x")
		store.Lose("x")
		next := acquire(t, open(t, store, leasehold.Config{}), "x")
		wantCause(t, errors.Join(old.Close(), context.Cause(old.Context())), leasehold.ErrReleased)
		old.Close()
		time.Sleep(time.Minute)
		if !next.Held() {
			t.Error("the new holder lost its lock")
		}
	})
}

func TestRevoke(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		operator := open(t, store, leasehold.Config{Owner: "operator"})
		if err := operator.Revoke(t.Context(), "x", lock.Fence()+1, "no"); !errors.Is(err, leasehold.ErrNotHeld) {
			t.Errorf("revoked a grant that is not in force: %v", err)
		}
		time.Sleep(time.Minute) // by now the holder listens
		start := time.Now()
		if err := operator.Revoke(t.Context(), "x", lock.Fence(), "maintenance"); err != nil {
			t.Fatal(err)
		}
		took, cause := lossAt(lock, start)
		if took != 0 {
			t.Errorf("told after %v", took)
		}
		var revoked *leasehold.RevokedError
		if !errors.As(cause, &revoked) || revoked.By != "operator" || revoked.Reason != "maintenance" {
			t.Errorf("cause %v", cause)
		}
		info, err := operator.Get(t.Context(), "x")
		if err != nil || info.State != leasehold.Revoked || info.Mark.Reason != "maintenance" {
			t.Errorf("info %+v, error %v", info, err)
		}
		wantCause(t, lock.Close(), leasehold.ErrRevoked)
		free(t, operator, "x")
	})
}

func TestRevokedLockPassesOnAfterTheTTL(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x") // and its user does not close it
		waiter := open(t, store, leasehold.Config{})
		got := make(chan time.Time)
		go func() {
			next := acquire(t, waiter, "x")
			got <- time.Now()
			next.Close()
		}()
		time.Sleep(time.Minute)
		marked := time.Now()
		if err := waiter.Revoke(t.Context(), "x", lock.Fence(), ""); err != nil {
			t.Fatal(err)
		}
		at := <-got
		if d := at.Sub(marked); d < ttl+margin || d > ttl+margin+ttl/3 {
			t.Errorf("passed on %v after the mark", d)
		}
	})
}

func TestRevokeWaivingTheWait(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		client := open(t, store, leasehold.Config{})
		if err := client.Revoke(t.Context(), "x", lock.Fence(), "now", leasehold.WaiveWait()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		next := acquire(t, client, "x")
		if time.Since(start) != 0 || next.Fence() <= lock.Fence() {
			t.Errorf("after %v, fence %d after %d", time.Since(start), next.Fence(), lock.Fence())
		}
	})
}

func TestListPages(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{Owner: "me"})
		for i := range 25 {
			acquire(t, client, fmt.Sprintf("a/%02d", i))
		}
		acquire(t, client, "b").Close()
		var names []string
		for info, err := range client.List(t.Context(), leasehold.ListOptions{Prefix: "a/", PageSize: 10}) {
			if err != nil {
				t.Fatal(err)
			}
			if info.State != leasehold.Held || info.Holder.Owner != "me" || info.Fence == 0 {
				t.Errorf("info %+v", info)
			}
			names = append(names, info.Name)
		}
		if len(names) != 25 || names[0] != "a/00" || names[24] != "a/24" {
			t.Errorf("names %v", names)
		}
		store.Down(true)
		for _, err := range client.List(t.Context(), leasehold.ListOptions{}) {
			wantCause(t, err, leasehold.ErrUnavailable)
		}
		store.Down(false)
	})
}

func TestInvalidConfig(t *testing.T) {
	for what, cfg := range map[string]leasehold.Config{
		"short TTL":      {TTL: time.Millisecond},
		"negative TTL":   {TTL: -time.Second},
		"fractional TTL": {TTL: time.Second + time.Microsecond},
		"long owner":     {Owner: strings.Repeat("x", 256)},
		"control":        {Owner: "a\nb"},
	} {
		if _, err := leasehold.Open(t.Context(), memory.New(), cfg); !errors.Is(err, leasehold.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := leasehold.Open(t.Context(), memory.New(), leasehold.Config{TTL: time.Hour}); err == nil || errors.Is(err, leasehold.ErrUnavailable) {
		t.Errorf("TTL above the cap: %v", err)
	}
}

func TestHazard42_LogsAreOneLineAndOnlyOnLoss(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		var out bytes.Buffer
		client := open(t, store, leasehold.Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		name := "evil\nlevel=ERROR msg=forged"
		acquire(t, client, name).Close()
		if out.Len() != 0 {
			t.Errorf("a good run logged %q", out.String())
		}
		lock := acquire(t, client, name)
		store.Lose(name)
		<-lock.Context().Done()
		synctest.Wait()
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Errorf("%d lines: %q", n, out.String())
		}
	})
}

func TestLocksOfOneClientCloseTogether(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		for i := range 1000 {
			acquire(t, client, fmt.Sprint(i))
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		other := open(t, store, leasehold.Config{})
		for info, err := range other.List(t.Context(), leasehold.ListOptions{}) {
			if err != nil || info.State != leasehold.Free {
				t.Fatalf("info %+v, error %v", info, err)
			}
		}
	})
}

func TestRevocationMissedInAGapIsLearnedWhenListeningAgain(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		operator := open(t, store, leasehold.Config{})
		time.Sleep(time.Minute)
		store.Down(true) // cuts every listener
		store.Down(false)
		if err := operator.Revoke(t.Context(), "x", lock.Fence(), ""); err != nil {
			t.Fatal(err)
		}
		took, cause := lossAt(lock, time.Now())
		if took > 100*time.Millisecond {
			t.Errorf("told after %v", took)
		}
		wantCause(t, cause, leasehold.ErrRevoked)
	})
}

// The reply that grants comes so late that the grant has been revoked and has passed
// on meanwhile: it is not believed, not for an instant.
func TestGrantWhoseNewsComeLateIsSeenOnceMore(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client, other := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		acquire(t, client, "y") // so that the client listens, and renews
		time.Sleep(time.Minute)
		var late atomic.Bool
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if call.Op == "Acquire" && call.Name == "x" && call.Done && !late.Swap(true) {
				time.Sleep(30 * time.Second)
			}
			return nil
		})
		got := make(chan *leasehold.Lock)
		go func() { got <- acquire(t, client, "x") }()
		synctest.Wait()
		info, err := other.Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Revoke(t.Context(), "x", info.Fence, ""); err != nil {
			t.Fatal(err)
		}
		next := acquire(t, other, "x") // a TTL and a margin after the mark
		time.Sleep(time.Minute)
		select {
		case lock := <-got:
			t.Fatalf("two believe: fences %d and %d", lock.Fence(), next.Fence())
		default:
		}
		next.Close()
		if lock := <-got; lock.Fence() <= next.Fence() {
			t.Errorf("fence %d after %d", lock.Fence(), next.Fence())
		}
	})
}

// The reply to the making of a lease is lost, and the client closes before it asks
// again: the row that was made is deleted.
func TestCloseDeletesALeaseOfUnknownOutcome(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		ended := 0
		store.Intercept(func(_ context.Context, call memory.Call) error {
			switch {
			case call.Op == "CreateLease" && call.Done:
				return errReplyLost
			case call.Op == "EndLease" && call.Done:
				ended++
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Acquire(ctx, "x"); !errors.Is(err, leasehold.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if ended == 0 {
			t.Error("the lease was left")
		}
	})
}
