package distrlock_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/compat/distrlock"
	"github.com/leaseholdgo/leasehold/internal/test/silence"
)

// lines is a logger that keeps what it gets.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Errorf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

func silentProxy(t *testing.T, d distrlock.Dialect) *silence.Proxy {
	t.Helper()
	u, err := url.Parse(serverURL(t, d))
	must(t, err)
	return silence.New(t, u.Host)
}

// The network falls silent. The function's context ends before anybody else gets the lock, and DoExclusively
// returns, though the driver may not.
func TestHazard01_DistrlockBlackHole(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		const ttl = 6 * time.Second
		p, net := newTable(t, d), silentProxy(t, d)
		db := p.openAt(net.Address(), "")
		log := &lines{}
		var ended, returned time.Time
		fell := make(chan time.Time, 1)
		done := make(chan error, 1)
		go func() {
			err := distrlock.DoExclusively(t.Context(), db, d, "k", func(ctx context.Context) error {
				net.Fall()
				fell <- time.Now()
				<-ctx.Done()
				ended = time.Now()
				return context.Cause(ctx)
			}, distrlock.WithLockTTL(ttl), distrlock.WithPeriodicExtendInterval(time.Second),
				distrlock.WithReleaseTimeout(500*time.Millisecond), distrlock.WithLogger(log))
			returned = time.Now()
			done <- err
		}()
		start := <-fell
		await(t, "another gets the lock", func() bool { return p.free("k") })
		free := time.Now()
		if err := <-done; !errors.Is(err, leasehold.ErrExpired) {
			t.Errorf("the cause: %v", err)
		}
		t.Logf("ended after %v, free after %v", ended.Sub(start), free.Sub(start))
		if !ended.Before(free) {
			t.Errorf("another had the lock %v before the context ended", ended.Sub(free))
		}
		if took := returned.Sub(ended); took > patience {
			t.Errorf("DoExclusively returned %v after the function", took)
		}
		if log.count() == 0 {
			t.Error("nothing was logged")
		}
	})
}

// An outage that is shorter than the trust loses nothing.
func TestHazard11_DistrlockShortOutage(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		const ttl = 12 * time.Second
		p, net := newTable(t, d), silentProxy(t, d)
		err := distrlock.DoExclusively(t.Context(), p.openAt(net.Address(), ""), d, "k", func(ctx context.Context) error {
			net.Fall()
			time.Sleep(1500 * time.Millisecond) // extensions are due
			before := value[string](t, p.db, "SELECT expire_at FROM distributed_locks")
			net.Lift()
			await(t, "the lock is extended after the outage", func() bool {
				return value[string](t, p.db, "SELECT expire_at FROM distributed_locks") > before || ctx.Err() != nil
			})
			if p.free("k") {
				t.Error("the lock is free")
			}
			return context.Cause(ctx)
		}, distrlock.WithLockTTL(ttl), distrlock.WithPeriodicExtendInterval(500*time.Millisecond))
		must(t, err)
		if !p.free("k") {
			t.Error("it was not released")
		}
	})
}

// The row names another. The function is told at the next extension, and the other one's hold is left alone.
func TestHazard06_DistrlockLockIsAnothers(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		old := p.old("k", "")
		var cause error
		err := distrlock.DoExclusively(t.Context(), p.db, d, "k", func(ctx context.Context) error {
			run(t, p.db, "UPDATE distributed_locks SET expire_at = NULL")
			must(t, old.acquire(t.Context(), time.Minute))
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil
		}, distrlock.WithPeriodicExtendInterval(50*time.Millisecond))
		if err != nil {
			t.Errorf("the function returned nil, and DoExclusively %v", err)
		}
		if !errors.Is(cause, leasehold.ErrLeaseGone) || !errors.Is(cause, distrlock.ErrLockAlreadyReleased) {
			t.Errorf("the cause: %v", cause)
		}
		if err := old.extend(t.Context(), time.Minute); err != nil {
			t.Errorf("the other one's hold: %v", err)
		}
	})
}

// With an interval longer than the TTL nothing extends the lock, and its end is told.
func TestFix_WithoutExtensionsTheContextEnds(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		start := time.Now()
		err := distrlock.DoExclusively(t.Context(), p.db, d, "k", func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, distrlock.WithLockTTL(time.Second), distrlock.WithPeriodicExtendInterval(time.Hour))
		if !errors.Is(err, leasehold.ErrExpired) {
			t.Errorf("the cause: %v", err)
		}
		if took := time.Since(start); took > patience {
			t.Errorf("after %v", took)
		}
	}, distrlock.DialectPgx, distrlock.DialectMySQL)
}

// An extension is stuck behind a locked row when the function returns. DoExclusively returns, and nothing is left.
func TestHazard08_DistrlockReleaseBesideAStuckExtension(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		block, err := p.db.BeginTx(t.Context(), nil)
		must(t, err)
		var returned time.Time
		err = distrlock.DoExclusively(t.Context(), p.db, d, "k", func(ctx context.Context) error {
			_, err := block.ExecContext(ctx, "UPDATE distributed_locks SET lock_key = 'k' WHERE lock_key = 'k'")
			must(t, err)
			time.Sleep(300 * time.Millisecond) // extensions begin, and wait
			returned = time.Now()
			return nil
		}, distrlock.WithLockTTL(4*time.Second), distrlock.WithPeriodicExtendInterval(20*time.Millisecond), distrlock.WithReleaseTimeout(200*time.Millisecond))
		must(t, err)
		if took := time.Since(returned); took > patience {
			t.Errorf("DoExclusively returned %v after the function", took)
		}
		must(t, block.Rollback())
		await(t, "the lock is free", func() bool { return p.free("k") })
		time.Sleep(200 * time.Millisecond)
		if !p.free("k") {
			t.Error("an extension brought the lock back")
		}
	})
}

func TestFix_APanicReleases(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		defer func() {
			if recover() != "of the function" {
				t.Error("the panic was swallowed")
			}
			if !p.free("k") {
				t.Error("it was not released")
			}
		}()
		_ = distrlock.DoExclusively(t.Context(), p.db, d, "k", func(context.Context) error { panic("of the function") })
	}, distrlock.DialectPgx, distrlock.DialectMySQL)
}
