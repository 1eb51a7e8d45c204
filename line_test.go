package leasehold_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

// turns records who got the lock, in order.
type turns struct {
	mu    sync.Mutex
	names []string
	errs  []error
}

// wait makes a goroutine wait for x, hold it for a minute, and release it. It returns
// when the goroutine is in its line.
func (o *turns) wait(t *testing.T, ctx context.Context, client *leasehold.Client, name string) {
	t.Helper()
	go func() {
		lock, err := client.Acquire(ctx, "x")
		o.mu.Lock()
		if err == nil {
			o.names = append(o.names, name)
		} else {
			o.errs = append(o.errs, fmt.Errorf("%s: %w", name, err))
		}
		o.mu.Unlock()
		if err == nil {
			time.Sleep(time.Minute)
			lock.Close()
		}
	}()
	synctest.Wait()
}

// refused returns the errors of those who did not get it.
func (o *turns) refused() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.errs)
}

func (o *turns) want(t *testing.T, names ...string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.names, names) {
		t.Errorf("turns %v, want %v", o.names, names)
	}
}

// waiters returns how many places are in the database's queue for x.
func waiters(t *testing.T, client *leasehold.Client) int {
	t.Helper()
	info, err := client.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	return len(info.Waiters)
}

func TestOneThousandGoroutinesTakeOnePlace(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		client := open(t, store, leasehold.Config{})
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				lock := acquire(t, client, "x")
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				if n := waiters(t, client); n > 1 {
					t.Errorf("%d places", n)
				}
				lock.Close()
			})
			synctest.Wait()
		}
		if n := waiters(t, client); n != 1 {
			t.Errorf("%d places", n)
		}
		n := count(store)
		held.Close()
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 1000 {
			t.Errorf("%d got it, in the order %v", len(order), order)
		}
		if got := n.of("Acquire"); got != 999 {
			t.Errorf("%d calls of Acquire for those behind the first", got)
		}
		free(t, client, "x")
	})
}

func TestLinesOfTwoClientsTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		var o turns
		for i := range 3 {
			o.wait(t, t.Context(), a, fmt.Sprint("a", i))
		}
		for i := range 3 {
			o.wait(t, t.Context(), b, fmt.Sprint("b", i))
		}
		held.Close()
		time.Sleep(time.Hour)
		o.want(t, "a0", "b0", "a1", "b1", "a2", "b2")
		free(t, a, "x")
	})
}

// Who gives up in the middle leaves the others as they are, and the store alone.
func TestGivingUpInTheMiddleOfALine(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{Owner: "worker-1"}), "x")
		client := open(t, store, leasehold.Config{})
		var o turns
		for i := range 10 {
			ctx := t.Context()
			if i%3 == 1 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Minute)
				defer cancel()
			}
			o.wait(t, ctx, client, fmt.Sprint(i))
		}
		n := count(store)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n.of("Acquire")+n.of("Release") != 0 {
			t.Errorf("calls: %v", n.n)
		}
		if len(o.refused()) != 3 {
			t.Fatalf("errors %v", o.refused())
		}
		for _, err := range o.refused() {
			var he *leasehold.HeldError
			wantCause(t, err, leasehold.ErrHeld, context.DeadlineExceeded)
			if !errors.As(err, &he) || he.Holder.Owner != "worker-1" || he.Fence != held.Fence() {
				t.Errorf("error %v", err)
			}
		}
		held.Close()
		time.Sleep(time.Hour)
		o.want(t, "0", "2", "3", "5", "6", "8", "9")
		free(t, client, "x")
	})
}

// Who gives up at the head leaves the place in the database's queue to the next.
func TestTheHeadOfALineHandsItsPlaceOn(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		var told []int
		a := open(t, store, leasehold.Config{Observer: leasehold.Observer{
			Queued: func(_ string, ahead int) { told = append(told, ahead) },
		}})
		b := open(t, store, leasehold.Config{})
		var o turns
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Minute)
			defer cancel()
			o.wait(t, ctx, a, fmt.Sprint("impatient ", i))
		}
		o.wait(t, t.Context(), b, "b")
		o.wait(t, t.Context(), a, "a")
		n := count(store)
		time.Sleep(10 * time.Minute)
		if n.of("Acquire")+n.of("Release") != 0 {
			t.Errorf("calls: %v", n.n)
		}
		held.Close()
		time.Sleep(time.Hour)
		o.want(t, "a", "b")
		if !slices.Equal(told, []int{0, 0, 0, 0}) {
			t.Errorf("Queued was told %v", told)
		}
		free(t, a, "x")
	})
}

// The last to give up takes the place out of the queue.
func TestTheLastOfALineLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		client := open(t, store, leasehold.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var o turns
		for range 5 {
			o.wait(t, ctx, client, "nobody")
		}
		<-ctx.Done()
		synctest.Wait()
		if len(o.refused()) != 5 || waiters(t, client) != 0 {
			t.Errorf("%d gave up, %d places", len(o.refused()), waiters(t, client))
		}
		held.Close()
		free(t, client, "x")
	})
}

// The head gives up while its call is in flight, and the reply goes to the next.
func TestTheCallInFlightIsHandedOn(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		acquire(t, client, "warm")
		late := make(chan struct{})
		store.Intercept(hold("Acquire", late))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var o turns
		o.wait(t, ctx, client, "impatient")
		o.wait(t, t.Context(), client, "next")
		time.Sleep(2 * time.Second)
		store.Intercept(nil)
		n := count(store)
		close(late)
		time.Sleep(time.Second)
		o.want(t, "next")
		if len(o.refused()) != 1 || n.of("Acquire")+n.of("Release") != 0 {
			t.Errorf("errors %v, calls %v", o.refused(), n.n)
		}
		time.Sleep(time.Minute)
		free(t, client, "x")
	})
}

// A grant that nobody believed in before its holder gave up is revoked meanwhile: the
// next must not believe in it either.
func TestHandedOnGrantThatWasRevoked(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client, operator := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		acquire(t, client, "other")
		late := make(chan struct{})
		store.Intercept(hold("Acquire", late))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go client.Acquire(ctx, "x")
		synctest.Wait()
		granted := make(chan *leasehold.Lock, 1)
		go func() {
			lock, _ := client.Acquire(t.Context(), "x")
			granted <- lock
		}()
		synctest.Wait()
		store.Intercept(nil)
		info, err := operator.Get(t.Context(), "x")
		if err != nil || info.State != leasehold.Held {
			t.Fatalf("%+v, %v", info, err)
		}
		if err := operator.Revoke(t.Context(), "x", info.Fence, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(ttl / 2) // a renewal returns the notice, and the first gives up
		close(late)
		if lock := <-granted; lock.Fence() <= info.Fence {
			t.Errorf("the grant under fence %d was revoked, and is believed in", lock.Fence())
		}
	})
}

func TestALineOutlivesItsLease(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{TTL: time.Minute}), "x")
		client := open(t, store, leasehold.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*ttl-time.Second)
		defer cancel()
		var o turns
		o.wait(t, ctx, client, "in the outage")
		for i := range 3 {
			o.wait(t, t.Context(), client, fmt.Sprint(i))
		}
		store.Down(true)
		time.Sleep(2 * ttl)
		store.Down(false)
		if len(o.refused()) != 1 {
			t.Fatalf("errors %v", o.refused())
		}
		wantCause(t, o.refused()[0], leasehold.ErrUnavailable, context.DeadlineExceeded, memory.ErrDown)
		time.Sleep(time.Second)
		held.Close()
		time.Sleep(time.Hour)
		o.want(t, "0", "1", "2")
		free(t, client, "x")
	})
}

// An outage that is over is not what ended a wait.
func TestOutageThatIsOverBeforeTheWait(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		acquire(t, open(t, store, leasehold.Config{TTL: time.Minute}), "x")
		client := open(t, store, leasehold.Config{})
		acquire(t, client, "warm")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		store.Down(true)
		var o turns
		o.wait(t, ctx, client, "nobody")
		time.Sleep(time.Second)
		store.Down(false)
		<-ctx.Done()
		synctest.Wait()
		for _, err := range o.refused() {
			if wantCause(t, err, leasehold.ErrHeld); errors.Is(err, leasehold.ErrUnavailable) {
				t.Error(err)
			}
		}
	})
}

func TestCloseEndsALine(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		other, client := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		held := acquire(t, other, "x")
		var o turns
		for range 100 {
			o.wait(t, t.Context(), client, "nobody")
		}
		start := time.Now()
		if err := client.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		synctest.Wait()
		for _, err := range o.refused() {
			wantCause(t, err, leasehold.ErrClosed)
		}
		if len(o.refused()) != 100 || waiters(t, other) != 0 {
			t.Errorf("%d ended, %d places", len(o.refused()), waiters(t, other))
		}
		held.Close()
		free(t, other, "x")
	})
}

// A promotion that loses the place of a line costs the line its place, and nobody more.
func TestPromotionLosesThePlaceOfALine(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		lock := acquire(t, a, "x")
		promote := store.Standby()
		ctx, cancel := context.WithTimeout(t.Context(), pause/2)
		defer cancel()
		var o turns
		o.wait(t, ctx, b, "impatient")
		o.wait(t, t.Context(), b, "0")
		o.wait(t, t.Context(), b, "1")
		promote()
		time.Sleep(pause + 2*time.Second)
		lock.Close()
		time.Sleep(time.Hour)
		o.want(t, "0", "1")
		free(t, a, "x")
	})
}

// Whatever is lost, late or given up: one holder at a time, nobody is forgotten, and in
// the end nothing is left.
func TestLinesUnderTrouble(t *testing.T) {
	for range 30 {
		bubble(t, func(t *testing.T, store *memory.Store) {
			trouble := func(_ context.Context, call memory.Call) error {
				time.Sleep(rand.N(20 * time.Millisecond))
				if rand.N(20) == 0 {
					return errReplyLost
				}
				return nil
			}
			clients := []*leasehold.Client{open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})}
			store.Intercept(trouble)
			var mu sync.Mutex
			var last uint64
			holding, got := 0, 0
			var wg sync.WaitGroup
			for i := range 40 {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					if i%2 == 0 {
						ctx, cancel = context.WithTimeout(t.Context(), rand.N(2*time.Second))
					}
					defer cancel()
					time.Sleep(rand.N(500 * time.Millisecond))
					lock, err := clients[i%4/2].Acquire(ctx, "x")
					if err != nil {
						if i%2 != 0 {
							t.Errorf("a patient one: %v", err)
						}
						return
					}
					mu.Lock()
					if holding++; holding != 1 || lock.Fence() <= last {
						t.Errorf("%d hold, fence %d after %d", holding, lock.Fence(), last)
					}
					last = lock.Fence()
					got++
					mu.Unlock()
					time.Sleep(rand.N(50 * time.Millisecond))
					mu.Lock()
					holding--
					mu.Unlock()
					lock.Close()
				})
			}
			wg.Wait()
			store.Intercept(nil)
			time.Sleep(time.Minute)
			if got < 20 {
				t.Errorf("%d got it", got)
			}
			free(t, clients[0], "x")
		})
	}
}
