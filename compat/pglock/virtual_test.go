package pglock_test

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

// instant is a network that takes no time.
func instant(kind) (there, back time.Duration, err error) { return 0, 0, nil }

// client returns a client with the default lease.
func (r *route) client(t *testing.T, opts ...pglock.ClientOption) *pglock.Client {
	t.Helper()
	db := r.pool()
	t.Cleanup(func() { db.Close() })
	c, err := pglock.UnsafeNew(db, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func acquire(t *testing.T, c *pglock.Client, name string) *pglock.Lock {
	t.Helper()
	l, err := c.Acquire(name)
	must(t, err)
	return l
}

// A heartbeat is sent while the reply to an acquisition is on its way: the trust in the
// lock then counts from the heartbeat, and so must the age of its row, which others go by.
func TestAHeartbeatReachesARowThatIsBeingAcquired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lease, interval = pglock.DefaultLeaseDuration, pglock.DefaultLeaseDuration / 3
		r := newRoute(newServer(), instant)
		c := r.client(t)
		other := acquire(t, c, "other") // its lease is that of both
		time.Sleep(interval - 3*time.Second)
		r.set(func(k kind) (there, back time.Duration, err error) {
			if k == take {
				back = 3500 * time.Millisecond
			}
			return 0, back, nil
		})
		start, before := time.Now(), r.statements(beat)
		l := acquire(t, c, "a")
		if took := time.Since(start); took != 3500*time.Millisecond || r.statements(take) != 2 || r.statements(beat) == before {
			t.Errorf("no heartbeat was sent while the reply was on its way, for %v", took)
		}
		r.set(func(kind) (there, back time.Duration, err error) { return -1, 0, nil })
		<-l.Context().Done()
		row, _ := r.row("a")
		if age := time.Since(row.written); age >= lease {
			t.Errorf("the lock was believed in until its row had not changed for %v: others may take it after %v", age, lease)
		}
		r.set(instant)
		_, _ = l.Close(), other.Close() // both were lost
		time.Sleep(time.Hour)           // what is left in the background ends
	})
}

// An acquisition is given up while its statement is on its way, and it arrives nine minutes
// later: nobody believes in what it leaves, which is removed.
func TestWhatAGivenUpAcquisitionLeavesIsLookedForForTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoute(newServer(), instant)
		c := r.client(t)
		r.set(func(k kind) (there, back time.Duration, err error) {
			if k == take {
				there = 9 * time.Minute
			}
			return there, 0, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.AcquireContext(ctx, "a"); !errors.Is(err, pglock.ErrNotAcquired) {
			t.Error(err)
		}
		r.set(instant)
		time.Sleep(9*time.Minute - 2*time.Second)
		synctest.Wait()
		if _, there := r.row("a"); there || r.statements(take) != 0 {
			t.Error("the statement arrived early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r.statements(take) != 1 {
			t.Error("the statement has not arrived")
		}
		time.Sleep(59 * time.Second)
		if _, there := r.row("a"); there {
			t.Error("the row is there a minute later, held by nobody")
		}
		time.Sleep(2 * time.Minute)
		before := r.statements()
		time.Sleep(time.Hour)
		if after := r.statements(); after != before {
			t.Errorf("it is still looked for: %d statements in an hour", after-before)
		}
	})
}

// An acquisition takes two statements, since the first does not arrive; and a heartbeat is
// sent while the reply to the second is on its way. The first arrives when the lock has been
// released.
func TestWhatAnEarlierStatementLeavesIsRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const interval = pglock.DefaultLeaseDuration / 3
		r := newRoute(newServer(), instant)
		c := r.client(t)
		other := acquire(t, c, "other")
		time.Sleep(2*interval - 7200*time.Millisecond)
		sent := 0
		r.set(func(k kind) (there, back time.Duration, err error) {
			if k == take {
				if sent++; sent == 1 {
					return time.Minute, 0, nil
				}
				back = 3500 * time.Millisecond
			}
			return 0, back, nil
		})
		before := r.statements(beat)
		l := acquire(t, c, "a")
		if sent != 2 || r.statements(beat) == before {
			t.Errorf("%d statements, and %d heartbeats", sent, r.statements(beat)-before)
		}
		must(t, l.Close())
		r.set(instant)
		taken := r.statements(take)
		time.Sleep(time.Minute - 11*time.Second) // it arrives a minute after it was sent
		for r.statements(take) == taken {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		if row, there := r.row("a"); there {
			t.Errorf("a row is left: %v", row)
		}
		must(t, other.Close())
		time.Sleep(time.Hour)
	})
}

// The reply to an acquisition is lost, and a heartbeat changes the row while the next
// statement is on its way, which then finds a number that it does not expect.
func TestAHeartbeatThatOvertakesAnAcquisitionLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoute(newServer(), instant)
		c := r.client(t)
		other := acquire(t, c, "other")
		time.Sleep(2*pglock.DefaultLeaseDuration/3 - 5500*time.Millisecond)
		sent := 0
		r.set(func(k kind) (there, back time.Duration, err error) {
			if k != take {
				return 0, 0, nil
			}
			if sent++; sent == 1 {
				return 0, -1, nil
			}
			return 3 * time.Second, 0, nil
		})
		start, before := time.Now(), r.statements(beat)
		l := acquire(t, c, "a")
		if took := time.Since(start); sent < 3 || r.statements(beat) == before || took > 15*time.Second {
			t.Errorf("%d statements, %d heartbeats, and the lock after %v", sent, r.statements(beat)-before, took)
		}
		must(t, l.Close())
		must(t, other.Close())
		if row, there := r.row("a"); there {
			t.Errorf("a row is left: %v", row)
		}
		time.Sleep(time.Hour)
	})
}

// A server process ends when it has run the statement of an acquisition, and the driver
// takes that for a connection that was broken before: lib/pq does. The statement must not
// be run again as it is, which would find the row taken, by itself.
func TestAnAcquisitionIsNotSentTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoute(newServer(), instant)
		c := r.client(t)
		must(t, acquire(t, c, "other").Close())
		r.set(func(k kind) (there, back time.Duration, err error) {
			if k == take {
				r.set(instant)
				return 0, 0, sqldriver.ErrBadConn
			}
			return 0, 0, nil
		})
		start := time.Now()
		l := acquire(t, c, "a")
		if took := time.Since(start); took > time.Second {
			t.Errorf("the client took %v to find that it has the row", took)
		}
		must(t, l.Close())
		if row, there := r.row("a"); there {
			t.Errorf("a row is left: %v", row)
		}
		time.Sleep(time.Hour)
	})
}

// Somebody deletes the row, and a heartbeat finds that, whichever client is asked to send it.
func TestALossThatAHeartbeatFindsIsToldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoute(newServer(), instant)
		c, other := r.client(t), r.client(t)
		l, kept := acquire(t, c, "a"), acquire(t, c, "b")
		must(t, other.SendHeartbeat(t.Context(), l))
		time.Sleep(pglock.DefaultLeaseDuration / 2)
		r.delete("a")
		if err := other.SendHeartbeat(t.Context(), l); err != pglock.ErrLockAlreadyReleased {
			t.Errorf("a heartbeat for a lock that was lost: %v", err)
		}
		synctest.Wait()
		if !l.IsReleased() || l.Context().Err() == nil {
			t.Error("the holder was not told")
		}
		if kept.IsReleased() {
			t.Error("it cost another lock")
		}
		_ = l.Close()
		must(t, kept.Close())
		time.Sleep(time.Hour)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
