package distrlock

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/reply"
)

// DoExclusively makes the row of key in the default table and then does what the method of
// DBLock does.
func DoExclusively[D ~string](
	ctx context.Context, db *sql.DB, dialect D, key string, fn func(ctx context.Context) error, options ...DoOption,
) error {
	m, err := NewDBManager(dialect)
	if err != nil {
		return err
	}
	l, err := m.NewLock(ctx, db, key)
	if err != nil {
		return err
	}
	return l.DoExclusively(ctx, db, fn, options...)
}

// DoExclusively acquires the lock, calls fn while it extends the lock, releases it, and returns what fn
// returned, as it is. It does not wait for a lock that is held: ErrLockAlreadyAcquired. Any error
// of Acquire may be returned, and then fn was not called.
//
// The context of fn ends with ctx, and at the latest when the lease must be presumed over: with the trust
// deadline, t_send + TTL - margin, whatever the network or the driver does. context.Cause then matches leasehold.ErrExpired;
// or leasehold.ErrLeaseGone, as soon as an extension finds that the lock is another's or nobody's.
// fn must return then: others may hold the lock. If fn returns nil nevertheless, so does
// DoExclusively.
//
// An extension that fails is tried again until the trust deadline. All of this uses connections of db, so a pool
// whose connections fn keeps all to itself loses the lock. After fn has returned, or panicked, DoExclusively
// returns within the release timeout.
func (l *DBLock) DoExclusively(ctx context.Context, db *sql.DB, fn func(ctx context.Context) error, options ...DoOption) error {
	cfg, err := newDoConfig(options)
	if err != nil {
		return err
	}
	sent, err := l.acquire(ctx, db, newToken(), true, cfg.ttl)
	if err != nil {
		return err
	}
	h := &hold{lock: *l, db: db, cfg: cfg, trust: keepalive.NewTrust(cfg.ttl, sent, driver.Renewal{})}
	defer h.release(context.WithoutCancel(ctx))
	ctx, h.lose = context.WithCancelCause(ctx)
	defer h.lose(nil)
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { h.watch(life) })
	wg.Go(func() { h.keep(life) })
	defer wg.Wait()
	defer stop()
	return fn(ctx)
}

// hold is a lock that DoExclusively holds.
type hold struct {
	lock DBLock
	db   *sql.DB
	cfg  doConfig
	lose context.CancelCauseFunc

	mu    sync.Mutex // guards trust
	trust keepalive.Trust
}

// watch ends the function's context at the trust deadline. It does nothing else, so that nothing can
// keep it.
func (h *hold) watch(life context.Context) {
	for {
		left := clock.Until(h.deadline())
		if left <= 0 {
			h.end(errExpired(h.lock.Key))
			return
		}
		if !backoff.Sleep(life, clock.Sooner(left)) {
			return
		}
	}
}

func (h *hold) deadline() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trust.Deadline()
}

func (h *hold) end(cause error) {
	h.mu.Lock()
	h.trust.Cause = cause
	h.mu.Unlock()
	h.lose(cause)
}

// keep extends the lock until the trust in it ends.
func (h *hold) keep(life context.Context) {
	for {
		left := clock.Until(h.due())
		switch {
		case left > 0:
			if !backoff.Sleep(life, clock.Sooner(left)) {
				return
			}
		case !h.extend(life):
			return
		}
	}
}

func (h *hold) due() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trust.Sent.Add(h.cfg.interval)
}

// extend extends the lock, in as many attempts as it takes. It reports false when there is nothing
// more to extend.
func (h *hold) extend(life context.Context) bool {
	for pause := range backoff.Seq(h.cfg.ttl/100, h.cfg.ttl/12) {
		sent := clock.Now() // before anything is sent
		left := h.deadline().Sub(sent)
		if left <= 0 || life.Err() != nil {
			return false
		}
		try, done := context.WithTimeout(life, min(keepalive.CallTimeout(h.cfg.ttl), left))
		err := h.lock.Extend(try, h.db)
		done()
		switch {
		case err == nil:
			h.mu.Lock()
			h.trust.Extend(sent, clock.Now())
			h.mu.Unlock()
			return true
		case errors.Is(err, ErrLockAlreadyReleased):
			h.end(errGone(h.lock.Key))
			return false
		case life.Err() != nil:
			return false
		}
		h.cfg.log.Errorf("distrlock: the lock %q could not be extended, which is tried again: %v", h.lock.Key, err)
		if !backoff.Sleep(life, pause) {
			return false
		}
	}
	return false
}

// release gives the lock back, in as many attempts as the release timeout allows. What an extension still under way
// does after that has no effect: the lock is not held then.
func (h *hold) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.release)
	defer cancel()
	for pause := range backoff.Seq(10*time.Millisecond, time.Second) {
		err := h.lock.Release(ctx, h.db)
		if err == nil || errors.Is(err, ErrLockAlreadyReleased) {
			return
		}
		if ctx.Err() != nil || reply.Refused(err) || !backoff.Sleep(ctx, pause) {
			h.cfg.log.Errorf("distrlock: the lock %q could not be released, and will be free when its lease is over: %v", h.lock.Key, err)
			return
		}
	}
}
