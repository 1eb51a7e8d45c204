package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

var (
	_ driver.Conn       = (*conn)(nil)
	_ driver.Listener   = (*conn)(nil)
	_ driver.DataKeeper = (*conn)(nil)
)

// conn is one client's access. Every method is one transition under the store's
// mutex.
type conn struct {
	store  *Store
	closed chan struct{}
	once   sync.Once
}

// do runs f under the store's mutex, with the faults that were asked for.
func (c *conn) do(ctx context.Context, call Call, f func() error) error {
	if err := c.admit(ctx, call); err != nil {
		return err
	}
	c.store.mu.Lock()
	hook := c.store.hook
	err := f()
	c.store.mu.Unlock()
	if err != nil || hook == nil {
		return err
	}
	call.Done = true
	return hook(ctx, call)
}

func (c *conn) admit(ctx context.Context, call Call) error {
	c.store.mu.Lock()
	down, hang, hook := c.store.down, c.store.hang, c.store.hook
	c.store.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
		case <-c.closed:
		}
	}
	select {
	case <-c.closed:
		return driver.Permanent(errClosed)
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if down {
		return ErrDown
	}
	if hook != nil {
		return hook(ctx, call)
	}
	return nil
}

func (c *conn) CreateLease(ctx context.Context, l driver.Lease) (r driver.Renewal, err error) {
	err = c.do(ctx, Call{Op: "CreateLease"}, func() error {
		if _, ok := c.store.leases[l.ID]; !ok {
			c.store.leases[l.ID] = &lease{Lease: l}
		}
		r = c.store.renew(l.ID)
		return nil
	})
	return r, err
}

func (c *conn) RenewLease(ctx context.Context, id driver.ID) (r driver.Renewal, err error) {
	err = c.do(ctx, Call{Op: "RenewLease"}, func() error {
		if _, ok := c.store.leases[id]; !ok {
			return driver.ErrLeaseGone
		}
		r = c.store.renew(id)
		return nil
	})
	return r, err
}

func (s *Store) renew(id driver.ID) driver.Renewal {
	l := s.leases[id]
	l.beat++
	l.renewed = time.Now()
	return driver.Renewal{Epoch: s.epoch, Notice: l.notice}
}

func (c *conn) EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (ended bool, err error) {
	err = c.do(ctx, Call{Op: "EndLease"}, func() error {
		l, ok := c.store.leases[id]
		ended = !ok || l.hold(grounds)
		if ended {
			delete(c.store.leases, id)
		}
		return nil
	})
	return ended, err
}

// hold reports whether the grounds for ending the lease hold.
func (l *lease) hold(grounds driver.Grounds) bool {
	switch {
	case grounds.Own:
		return true
	case grounds.Observed != 0:
		return l.beat == grounds.Observed
	case grounds.Overdue != 0:
		return time.Since(l.renewed) > l.TTL+grounds.Overdue
	default:
		return false // nothing is known here but by time
	}
}

func (c *conn) Acquire(ctx context.Context, a driver.Attempt, wait bool) (r driver.Reply, err error) {
	err = c.do(ctx, Call{Op: "Acquire", Name: a.Name}, func() error {
		if _, ok := c.store.leases[a.Lease]; !ok {
			return driver.ErrLeaseGone
		}
		l := c.store.lookup(a.Name)
		after := *l
		changed, err := machine.Acquire(&after, a, wait, time.Now())
		switch {
		case err != nil:
			return driver.Permanent(err)
		case changed && c.store.paused():
			return errPaused
		}
		c.store.put(l, after, a.Place())
		r = driver.Reply{Lock: snapshot(l), Epoch: c.store.epoch}
		return nil
	})
	return r, err
}

func (c *conn) Release(ctx context.Context, a driver.Attempt) (o driver.Outcome, err error) {
	err = c.do(ctx, Call{Op: "Release", Name: a.Name}, func() error {
		if l, ok := c.store.locks[a.Name]; ok {
			o = c.store.release(l, a.Place())
		}
		return nil
	})
	return o, err
}

func (s *Store) release(l *driver.Lock, p driver.Place) driver.Outcome {
	after := *l
	o, _ := machine.Release(&after, p, time.Now())
	if !s.put(l, after, p) {
		return driver.Busy
	}
	return o
}

func (c *conn) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	return c.do(ctx, Call{Op: "TakeOver", Name: name}, func() error {
		l, ok := c.store.locks[name]
		if !ok {
			return nil
		}
		after := *l
		machine.TakeOver(&after, gone, ended, time.Now())
		c.store.put(l, after, driver.Place{})
		return nil
	})
}

func (c *conn) Revoke(ctx context.Context, name string, fence uint64, mark driver.Mark) error {
	return c.do(ctx, Call{Op: "Revoke", Name: name}, func() error {
		l, ok := c.store.locks[name]
		if !ok {
			return driver.ErrNotHeld
		}
		mark.At = time.Now()
		after := *l
		inForce, changed := machine.Revoke(&after, fence, mark, mark.At)
		if !inForce {
			return driver.ErrNotHeld
		}
		if !c.store.put(l, after, driver.Place{}) {
			return errPaused
		}
		grant, _ := l.GrantUnder(fence)
		if holder, ok := c.store.leases[grant.Lease]; ok && changed {
			holder.notice++
			c.store.notify(grant.Lease, name)
		}
		return nil
	})
}

func (c *conn) Read(ctx context.Context, q driver.Query) (v driver.View, err error) {
	err = c.do(ctx, Call{Op: "Read"}, func() error {
		v = driver.View{Epoch: c.store.epoch, Leases: map[driver.ID]driver.LeaseState{}}
		for _, name := range c.store.match(q) {
			l := snapshot(c.store.locks[name])
			v.Locks = append(v.Locks, l)
			c.store.describe(v.Leases, l)
		}
		return nil
	})
	return v, err
}

// SetData implements driver.DataKeeper.
func (c *conn) SetData(ctx context.Context, a driver.Attempt, data []byte, keep bool) error {
	return c.do(ctx, Call{Op: "SetData", Name: a.Name}, func() error {
		if l, ok := c.store.locks[a.Name]; ok {
			if held, _ := machine.SetData(l, a.Place(), slices.Clone(data), keep); held {
				return nil
			}
		}
		return driver.ErrNotHeld
	})
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}
