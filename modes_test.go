package leasehold_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

// acquireWith is acquire with options.
func acquireWith(t *testing.T, client *leasehold.Client, name string, opts ...leasehold.Option) *leasehold.Lock {
	t.Helper()
	lock, err := client.Acquire(t.Context(), name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// waitWith makes a goroutine acquire x, and returns where the lock will be when its place
// is in the queue.
func waitWith(t *testing.T, client *leasehold.Client, opts ...leasehold.Option) <-chan *leasehold.Lock {
	t.Helper()
	got := make(chan *leasehold.Lock, 1)
	go func() {
		lock, err := client.Acquire(t.Context(), "x", opts...)
		if err != nil {
			t.Error(err)
		}
		got <- lock
	}()
	synctest.Wait()
	return got
}

func none(t *testing.T, got <-chan *leasehold.Lock) {
	t.Helper()
	synctest.Wait()
	select {
	case <-got:
		t.Fatal("granted")
	default:
	}
}

func TestReadersShareAndNobodyStarves(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{Owner: "a"}), open(t, store, leasehold.Config{})
		first, second := acquireWith(t, a, "x", leasehold.Shared()), acquireWith(t, a, "x", leasehold.Shared())
		third := acquireWith(t, b, "x", leasehold.Shared())
		if !(first.Fence() < second.Fence() && second.Fence() < third.Fence()) {
			t.Error("the fences do not rise")
		}
		info, err := b.Get(t.Context(), "x")
		if err != nil || info.State != leasehold.Held || !info.Shared || len(info.Holders) != 3 || info.Holder.Owner != "a" || info.Holders[2].Fence != third.Fence() {
			t.Errorf("%+v, %v", info, err)
		}
		writer := waitWith(t, b)
		late := waitWith(t, a, leasehold.Shared())
		later := waitWith(t, open(t, store, leasehold.Config{}), leasehold.Shared())
		if _, err := a.TryAcquire(t.Context(), "x", leasehold.Shared()); !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("overtook a waiting writer: %v", err)
		}
		first.Close()
		second.Close()
		none(t, writer)
		third.Close()
		w := <-writer
		none(t, late)
		w.Close()
		(<-late).Close()
		(<-later).Close()
		free(t, a, "x")
	})
}

// A writer that gives up lets the readers behind it in.
func TestWriterThatGivesUpLetsReadersIn(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b, c := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		held := acquireWith(t, a, "x", leasehold.Shared())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go b.Acquire(ctx, "x")
		synctest.Wait()
		behind := waitWith(t, b, leasehold.Shared()) // in the same line, and not of equal terms
		other := waitWith(t, c, leasehold.Shared())
		none(t, behind)
		<-ctx.Done()
		(<-behind).Close()
		(<-other).Close()
		held.Close()
		free(t, a, "x")
	})
}

func TestRevokeOneOfSeveral(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		first, second := acquireWith(t, a, "x", leasehold.Shared()), acquireWith(t, b, "x", leasehold.Shared())
		third := acquireWith(t, a, "x", leasehold.Shared())
		time.Sleep(time.Minute)
		start := time.Now()
		if err := b.Revoke(t.Context(), "x", first.Fence(), "because"); err != nil {
			t.Fatal(err)
		}
		took, cause := lossAt(first, start)
		if wantCause(t, cause, leasehold.ErrRevoked); took > ttl/3+time.Second {
			t.Errorf("told after %v", took)
		}
		time.Sleep(ttl)
		if !second.Held() || !third.Held() {
			t.Error("another holder lost the lock")
		}
		info, err := b.Get(t.Context(), "x")
		if err != nil || info.State != leasehold.Revoked || info.Mark == nil || info.Holders[0].Mark == nil || info.Holders[1].Mark != nil {
			t.Errorf("%+v, %v", info, err)
		}
		if err := b.Revoke(t.Context(), "x", third.Fence(), "now", leasehold.WaiveWait()); err != nil {
			t.Fatal(err)
		}
		if info, err = b.Get(t.Context(), "x"); err != nil || len(info.Holders) != 2 {
			t.Errorf("%+v, %v", info, err)
		}
		for _, lock := range []*leasehold.Lock{first, second, third} {
			lock.Close()
		}
		free(t, a, "x")
	})
}

func TestPermits(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		clients := []*leasehold.Client{open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})}
		var mu sync.Mutex
		holding, most := 0, 0
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				lock := acquireWith(t, clients[i%2], "x", leasehold.Permits(3))
				mu.Lock()
				holding++
				most = max(most, holding)
				mu.Unlock()
				time.Sleep(rand.N(time.Minute))
				mu.Lock()
				holding--
				mu.Unlock()
				lock.Close()
			})
		}
		wg.Wait()
		if most != 3 {
			t.Errorf("%d held at once", most)
		}
		free(t, clients[0], "x")
	})
}

func TestDisagreementAboutTheMode(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		held := acquireWith(t, client, "x", leasehold.Permits(3))
		for name, opts := range map[string][]leasehold.Option{
			"with 5 permits": {leasehold.Permits(5)}, "as a lock": nil, "as a lock, shared": {leasehold.Shared()},
		} {
			_, err := client.Acquire(t.Context(), "x", opts...)
			var mode *leasehold.ModeError
			if !errors.As(err, &mode) || !errors.Is(err, leasehold.ErrMode) || mode.Limit != 3 || errors.Is(err, leasehold.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			} else if text := err.Error(); !strings.Contains(text, `"x"`) || !strings.Contains(text, "3 permits") {
				t.Errorf("%s: text %q", name, text)
			}
		}
		held.Close()
		acquire(t, client, "x").Close()
		acquireWith(t, client, "x", leasehold.Permits(5)).Close()
	})
}

func TestMinHold(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		start := time.Now()
		lock := acquireWith(t, a, "x", leasehold.MinHold(time.Hour))
		if err := lock.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		_, err := b.TryAcquire(t.Context(), "x")
		var held *leasehold.HeldError
		if !errors.As(err, &held) || held.Kept != time.Hour || held.Fence != lock.Fence() {
			t.Errorf("try: %v", err)
		}
		info, err := b.Get(t.Context(), "x")
		if err != nil || info.State != leasehold.Kept || info.Kept != time.Hour {
			t.Errorf("%+v, %v", info, err)
		}
		next := acquire(t, b, "x")
		if d := time.Since(start); d < time.Hour || d > time.Hour+10*time.Millisecond {
			t.Errorf("granted after %v", d)
		}
		next.Close()
		free(t, a, "x")
	})
}

// It is kept whatever becomes of the holder, and longer than its lease.
func TestMinHoldOutlivesItsHolder(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		start := time.Now()
		vanish(acquireWith(t, open(t, store, leasehold.Config{}), "x", leasehold.MinHold(time.Hour)))
		acquire(t, open(t, store, leasehold.Config{}), "x").Close()
		if d := time.Since(start); d < time.Hour || d > time.Hour+10*time.Millisecond {
			t.Errorf("granted after %v", d)
		}
	})
}

func TestRevokeEndsTheKeeping(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		lock := acquireWith(t, a, "x", leasehold.MinHold(time.Hour))
		lock.Close()
		got := waitWith(t, b)
		start := time.Now()
		if err := a.Revoke(t.Context(), "x", lock.Fence(), "run it again"); err != nil {
			t.Fatal(err)
		}
		if (<-got).Close(); time.Since(start) > time.Second {
			t.Errorf("granted after %v", time.Since(start))
		}
	})
}

// Whatever the modes, and whatever is lost or given up: nobody holds beside those whom
// its mode excludes, and in the end nothing is left.
func TestModesUnderTrouble(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, store *memory.Store) {
			clients := []*leasehold.Client{open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})}
			store.Intercept(func(context.Context, memory.Call) error {
				time.Sleep(rand.N(20 * time.Millisecond))
				if rand.N(20) == 0 {
					return errReplyLost
				}
				return nil
			})
			var mu sync.Mutex
			readers, writers, permits := 0, 0, 0
			var wg sync.WaitGroup
			for i := range 60 {
				wg.Go(func() {
					name, opts, n := "x", []leasehold.Option(nil), &writers
					switch i % 3 {
					case 1:
						opts, n = []leasehold.Option{leasehold.Shared()}, &readers
					case 2:
						name, opts, n = "permits", []leasehold.Option{leasehold.Permits(2)}, &permits
					}
					ctx, cancel := context.WithTimeout(t.Context(), rand.N(20*time.Second))
					defer cancel()
					time.Sleep(rand.N(500 * time.Millisecond))
					lock, err := clients[i%2].Acquire(ctx, name, opts...)
					if err != nil {
						return
					}
					mu.Lock()
					*n++
					if writers > 1 || writers > 0 && readers > 0 || permits > 2 {
						t.Errorf("%d writers, %d readers, %d permits", writers, readers, permits)
					}
					mu.Unlock()
					time.Sleep(rand.N(100 * time.Millisecond))
					mu.Lock()
					*n--
					mu.Unlock()
					lock.Close()
				})
			}
			wg.Wait()
			store.Intercept(nil)
			time.Sleep(time.Minute)
			for _, name := range []string{"x", "permits"} {
				free(t, clients[0], name)
			}
		})
	}
}

// A name whose users are all dead is in use by nobody: whoever comes with another limit
// takes it over, as soon as a try of the same limit would.
func TestDeadUsersOfPermitsDoNotInsistOnTheirLimit(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		for _, mode := range []leasehold.Option{leasehold.Permits(3), leasehold.Shared()} {
			dead, other := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
			for range 2 {
				lock, err := dead.Acquire(t.Context(), "x", mode)
				if err != nil {
					t.Fatal(err)
				}
				defer lock.Close()
				if _, err := other.Acquire(t.Context(), "x", leasehold.Permits(2)); !errors.Is(err, leasehold.ErrMode) {
					t.Fatalf("beside one who lives: %v", err)
				}
			}
			lock := acquire(t, dead, "anchor")
			vanish(lock)
			time.Sleep(2*ttl + margin)
			next, err := other.Acquire(t.Context(), "x", leasehold.Permits(2))
			if err != nil {
				t.Fatalf("after the others died: %v", err)
			}
			next.Close()
		}
	})
}

func TestModeErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"in use as a lock, not with 2 permits": &leasehold.ModeError{Name: "x", Asked: 2},
		"in use with 3 permits, not as a lock": &leasehold.ModeError{Name: "x", Limit: 3},
	} {
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%q", got)
		}
	}
}
