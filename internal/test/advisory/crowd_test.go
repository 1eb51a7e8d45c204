package advisory_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
	"github.com/leaseholdgo/leasehold/postgres"
)

// inside counts who is in, and how often that was more than one.
type inside struct{ now, overlaps atomic.Int64 }

func (i *inside) enter() {
	if i.now.Add(1) != 1 {
		i.overlaps.Add(1)
	}
	time.Sleep(time.Millisecond)
	i.now.Add(-1)
}

// progress is how many turns each participant must have had, for which they have ten times as long.
const progress = 3

// side is one kind of participant of a crowd.
type side struct {
	turns atomic.Int64
	turn  func(context.Context) error
}

// crowdOf has two of each kind take turns for two seconds, and expects that no two overlap and that each kind makes progress.
func crowdOf(t *testing.T, in *inside, sides ...*side) {
	t.Helper()
	var wg sync.WaitGroup
	end := time.Now().Add(2 * time.Second)
	for _, s := range sides {
		wg.Go(func() {
			for time.Now().Before(end) || s.turns.Load() < progress && time.Now().Before(end.Add(20*time.Second)) {
				if err := s.turn(context.Background()); err != nil {
					t.Error(err)
					return
				}
				s.turns.Add(1)
			}
		})
	}
	wg.Wait()
	for i, s := range sides {
		if s.turns.Load() < progress {
			t.Errorf("participant %d had %d turns", i, s.turns.Load())
		}
	}
	if n := in.overlaps.Load(); n > 0 {
		t.Errorf("%d overlaps", n)
	}
}

// ours takes turns with a Lock.
func ours(t *testing.T, in *inside, l *pglock.Lock) *side {
	return &side{turn: func(ctx context.Context) error {
		if err := l.Lock(ctx); err != nil {
			return err
		}
		in.enter()
		return l.Unlock(ctx)
	}}
}

// Plain users of the server's functions and ours, and some who give up.
func TestInterop_PlainSQL(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, db := newKey(), open(t, driver)
		var in inside
		var sides []*side
		for range 2 {
			o := newOther(t, key)
			impatient := newLock(t, db, key)
			sides = append(sides, ours(t, &in, newLock(t, db, key)),
				&side{turn: func(context.Context) error {
					o.say("pg_advisory_lock")
					in.enter()
					o.say("pg_advisory_unlock")
					return nil
				}},
				&side{turn: func(ctx context.Context) error {
					short, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
					defer cancel()
					if impatient.Lock(short) != nil {
						return impatient.Err()
					}
					in.enter()
					return impatient.Unlock(ctx)
				}})
		}
		crowdOf(t, &in, sides...)
	})
}

// A fleet goes on to Leasehold's session locks, process by process: a name that postgres.Key makes of the same key is the
// same lock.
func TestMigration_SessionStore(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, db := newKey(), open(t, driver)
		var in inside
		var sides []*side
		for range 2 {
			before := ours(t, &in, newLock(t, db, key))
			sides = append(sides, &side{turn: func(ctx context.Context) error {
				time.Sleep(10 * time.Millisecond) // who waits at the server is served before who polls
				return before.turn(ctx)
			}})
			pool, err := pgxpool.New(t.Context(), serverURL(t))
			must(t, err)
			t.Cleanup(pool.Close)
			client, err := leasehold.Open(t.Context(), postgres.NewSession(pool, postgres.SessionConfig{NoFence: true}), leasehold.Config{})
			must(t, err)
			t.Cleanup(func() { must(t, client.Close()) })
			sides = append(sides, &side{turn: func(ctx context.Context) error {
				return client.Do(ctx, postgres.Key(key), func(context.Context, *leasehold.Lock) error { in.enter(); return nil })
			}})
		}
		crowdOf(t, &in, sides...)
	})
}
