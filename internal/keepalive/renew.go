package keepalive

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// renewals renews the lease until trust ends or nothing uses it.
func (l *Lease) renewals() {
	ttl := min(l.ttl, l.keeper.cfg.TTL)
	for l.awaitDue() {
		if l.retire() {
			return
		}
		asked := l.takeAsked() // before the renewal is sent
		for pause := range backoff.Seq(ttl/100, ttl/12) {
			if l.renew() || !backoff.Sleep(l.ctx, pause) {
				break
			}
		}
		for _, done := range asked {
			close(done)
		}
	}
}

// awaitDue waits until a renewal is due or asked for. It reports false when
// trust has ended.
func (l *Lease) awaitDue() bool {
	for l.ctx.Err() == nil {
		left, wanted := l.due()
		if wanted || left <= 0 {
			return true
		}
		timer := time.NewTimer(clock.Sooner(left))
		select {
		case <-timer.C:
		case <-l.kicked:
			timer.Stop()
			if !l.isFixed() {
				return l.ctx.Err() == nil
			}
		case <-l.ctx.Done():
			timer.Stop()
		}
	}
	return false
}

// due returns how long it is until a renewal is due, and whether Extend wants one.
func (l *Lease) due() (left time.Duration, wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fixed {
		return time.Hour, len(l.asked) > 0
	}
	return clock.Until(l.trust.Sent.Add(Interval(l.ttl))), false
}

// renew makes one attempt to renew, and reports whether it settled the matter.
func (l *Lease) renew() bool {
	sent := clock.Now() // before anything is sent: the anchor of all trust
	left := l.Deadline().Sub(sent)
	if !l.mayRenew(sent) {
		l.end(ErrExpired)
		return true
	}
	ctx, cancel := context.WithTimeout(l.ctx, min(CallTimeout(min(l.ttl, l.keeper.cfg.TTL)), left))
	defer cancel()
	r, err := l.keeper.cfg.Conn.RenewLease(ctx, l.ID)
	if err == nil {
		err = l.confirm(ctx, r)
	}
	if l.ctx.Err() != nil {
		return true
	}
	l.keeper.cfg.Renewed(clock.Since(sent), err)
	switch {
	case err == nil:
		l.extend(sent)
		return true
	case errors.Is(err, driver.ErrLeaseGone):
		l.end(gone(err))
		return true
	default:
		return false
	}
}

func (l *Lease) mayRenew(sent time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trust.MayRenew(sent)
}

// extend moves the trust deadline, unless it has passed.
func (l *Lease) extend(sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trust.Extend(sent, clock.Now())
}

// confirm reads the rows of all locks held again if r, or something seen since
// the last renewal, calls for it.
func (l *Lease) confirm(ctx context.Context, r driver.Renewal) error {
	l.mu.Lock()
	if l.trust.Settled(r) {
		l.mu.Unlock()
		return nil
	}
	l.trust.Reread()
	l.reads.Store(int64(l.trust.Reads))
	held := make(map[Holding]driver.Hold, len(l.holdings))
	names := make([]string, 0, len(l.holdings))
	for h := range l.holdings {
		held[h] = h.Hold()
		names = append(names, held[h].Name)
	}
	l.mu.Unlock()

	rows, err := l.read(ctx, names)
	if l.learn(r, held, rows, err) {
		l.keeper.cfg.FailedOver(l)
	}
	return err
}

// learn notes what the rows say of the locks held. It reports whether they are of
// another incarnation of the database than before.
func (l *Lease) learn(r driver.Renewal, held map[Holding]driver.Hold, rows map[string]*driver.Lock, err error) (failover bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failover = l.trust.Learn(r, err)
	l.epoch.Store(l.trust.Known.Epoch)
	if err != nil {
		return false
	}
	for h, hold := range held {
		if cause := Verdict(rows[hold.Name], hold, failover); cause != nil {
			l.loseLocked(h, cause)
		}
	}
	return failover
}

func (l *Lease) read(ctx context.Context, names []string) (map[string]*driver.Lock, error) {
	rows := make(map[string]*driver.Lock, len(names))
	if len(names) == 0 {
		return rows, nil
	}
	view, err := l.keeper.cfg.Conn.Read(ctx, driver.Query{Names: names, Keepalive: true})
	if err != nil {
		return nil, err
	}
	for i := range view.Locks {
		rows[view.Locks[i].Name] = &view.Locks[i]
	}
	return rows, nil
}

// loseLocked ends one lock. Lose only cancels a context, so mu may be held.
func (l *Lease) loseLocked(h Holding, cause error) {
	if _, ok := l.holdings[h]; ok {
		delete(l.holdings, h)
		h.Lose(cause)
	}
}
