package keepalive

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// Fixed returns a new lease with a TTL of its own, in use until Unpin, which ends it. It
// is renewed like any other until Fix. One write. An error means that there is none; a
// transient one may be retried. It blocks for one call at the most, and ctx bounds
// the wait.
func (k *Keeper) Fixed(ctx context.Context, ttl time.Duration) (*Lease, error) {
	var lease *Lease
	var err error
	made := make(chan struct{})
	if !k.spawn(func() {
		lease, err = k.makeFixed(ttl)
		close(made)
	}) {
		return nil, ErrClosed
	}
	select {
	case <-made:
		return lease, err
	case <-ctx.Done():
		k.spawn(func() {
			if <-made; err == nil {
				lease.Unpin()
			}
		})
		return nil, ctx.Err()
	}
}

// spawn runs f in a goroutine that Close waits for, unless the Keeper is closed.
func (k *Keeper) spawn(f func()) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.wg.Go(f)
	}
	return !k.closed
}

func (k *Keeper) makeFixed(ttl time.Duration) (*Lease, error) {
	call, cancel := context.WithTimeout(context.Background(), CallTimeout(k.cfg.TTL))
	defer cancel()
	sent, id := clock.Now(), k.drawID()
	r, err := k.cfg.Conn.CreateLease(call, driver.Lease{ID: id, TTL: ttl, Owner: k.cfg.Owner, Info: k.cfg.Info, Fixed: true})
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil && k.closed {
		err = ErrClosed
	}
	if err != nil {
		if !driver.IsPermanent(err) {
			k.wg.Go(func() { k.discard(id) }) // its row may have been made
		}
		return nil, err
	}
	l := start(k, id, ttl, sent, r)
	l.mu.Lock()
	l.own, l.uses = true, 1
	l.mu.Unlock()
	k.fixed[l] = struct{}{}
	return l, nil
}

// Fix makes Extend the only one who renews the lease.
func (l *Lease) Fix() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fixed = true
}

func (l *Lease) isFixed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fixed
}

// Extend renews the lease: one write, repeated until it is answered or the trust is
// over. Nil: it was renewed by a call sent after Extend began. The error of ctx: it may
// be renewed yet. Else: why the trust has ended.
func (l *Lease) Extend(ctx context.Context) error {
	done := make(chan struct{})
	l.mu.Lock()
	l.asked = append(l.asked, done)
	l.mu.Unlock()
	l.kick()
	select {
	case <-done:
		return l.Cause()
	case <-l.ctx.Done():
		return l.Cause()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Lease) takeAsked() []chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.asked
	l.asked = nil
	return asked
}
