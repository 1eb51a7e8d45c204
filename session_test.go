package leasehold_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/memory"
)

// sessions is a store whose leases live in something that can end, and that gives no
// fences.
type sessions struct {
	driver.Store
	end chan error // what is received ends the lease that is watched
}

func (s sessions) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	conn, err := s.Store.Connect(ctx, settings)
	return sessionConn{conn, s.end}, err
}

type sessionConn struct {
	driver.Conn
	end chan error
}

func (c sessionConn) Watch(ctx context.Context, _ driver.ID) error {
	select {
	case err := <-c.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (sessionConn) Fenceless() {}

// What a store tells of the end of a lease ends its locks there and then, with the cause,
// long before a renewal is due; and the next acquisition has another lease.
func TestStoreTellsThatALeaseEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := errors.New("somebody pulled the plug")
		store := sessions{memory.New(), make(chan error)}
		client, err := leasehold.Open(t.Context(), store, leasehold.Config{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		lock, other := acquire(t, client, "x"), acquire(t, client, "y")
		start := time.Now()
		store.end <- errors.Join(driver.ErrLeaseGone, cut)
		for _, l := range []*leasehold.Lock{lock, other} {
			after, cause := lossAt(l, start)
			if after != 0 {
				t.Errorf("lost after %v", after)
			}
			wantCause(t, cause, leasehold.ErrLost)
			wantCause(t, cause, leasehold.ErrLeaseGone)
			wantCause(t, cause, cut)
			wantCause(t, l.Close(), leasehold.ErrLost)
		}
		if again := acquire(t, client, "z"); again.Hold().Lease == lock.Hold().Lease {
			t.Error("the lease that ended is used again")
		}
	})
}

// Grants that have no fence show none, and are refused to those who need one.
func TestFenceless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := leasehold.Open(t.Context(), sessions{memory.New(), nil}, leasehold.Config{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		lock := acquire(t, client, "x")
		if lock.Fence() != 0 {
			t.Errorf("fence %d", lock.Fence())
		}
		_, err = client.Acquire(t.Context(), "y", leasehold.Fenced())
		wantCause(t, err, leasehold.ErrUnsupported)
	})
	bubble(t, func(t *testing.T, store *memory.Store) {
		if lock := acquireWith(t, open(t, store, leasehold.Config{}), "x", leasehold.Fenced()); lock.Fence() == 0 {
			t.Error("no fence")
		}
	})
}
