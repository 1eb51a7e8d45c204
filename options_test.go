package leasehold_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/memory"
)

func TestOptionsThatCannotBeUsed(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		for i, opts := range [][]leasehold.Option{
			{leasehold.Permits(0)}, {leasehold.Permits(leasehold.MaxPermits + 1)},
			{leasehold.Shared(), leasehold.Permits(2)}, {leasehold.Permits(2), leasehold.Permits(3)},
			{leasehold.MinHold(0)}, {leasehold.MinHold(time.Microsecond)},
			{leasehold.MinHold(time.Hour), leasehold.Shared()}, {leasehold.Permits(2), leasehold.MinHold(time.Hour)},
			{leasehold.FixedTTL(time.Millisecond)}, {leasehold.FixedTTL(time.Second + 1)},
			{leasehold.Data(make([]byte, leasehold.MaxData+1))},
		} {
			_, err := client.Acquire(t.Context(), "x", opts...)
			_, err2 := client.TryAcquire(t.Context(), "x", opts...)
			wantCause(t, err, leasehold.ErrInvalid)
			wantCause(t, err2, leasehold.ErrInvalid)
			if t.Failed() {
				t.Fatalf("options %d", i)
			}
		}
		acquireWith(t, client, "x", leasehold.Shared(), leasehold.Shared()).Close()
		free(t, client, "x")
	})
}

// A store that lacks something says so at once, and nothing is done instead.
func TestUnsupportedOptions(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client, err := leasehold.Open(t.Context(), poor{store}, leasehold.Config{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, opt := range []leasehold.Option{leasehold.Data(nil), leasehold.KeepData(), leasehold.Shared(), leasehold.FixedTTL(time.Second)} {
			_, err := client.Acquire(t.Context(), "x", opt)
			if wantCause(t, err, leasehold.ErrUnsupported); errors.Is(err, leasehold.ErrUnavailable) {
				t.Errorf("may pass: %v", err)
			}
		}
		lock := acquire(t, client, "x")
		wantCause(t, lock.SetData(t.Context(), []byte("b")), leasehold.ErrUnsupported)
		lock.Close()
	})
}

// poor is a store that has nothing but plain locks.
type poor struct{ driver.Store }

func (p poor) Connect(ctx context.Context, s driver.Settings) (driver.Conn, error) {
	conn, err := p.Store.Connect(ctx, s)
	return poorConn{conn}, err
}

type poorConn struct{ driver.Conn }

func (c poorConn) CreateLease(ctx context.Context, l driver.Lease) (driver.Renewal, error) {
	if l.Fixed {
		return driver.Renewal{}, driver.Permanent(driver.ErrUnsupported)
	}
	return c.Conn.CreateLease(ctx, l)
}

func (c poorConn) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	if a.Terms != (driver.Terms{}) {
		return driver.Reply{}, driver.Permanent(driver.ErrUnsupported)
	}
	return c.Conn.Acquire(ctx, a, wait)
}
