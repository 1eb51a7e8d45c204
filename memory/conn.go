package memory

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
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
		if wait && c.store.paused() && !l.HeldBy(a.Place()) && l.Ahead(a.Place()) < 0 || !l.Held() && c.store.paused() {
			return errPaused
		}
		machine.Acquire(l, a.Place(), wait, time.Now())
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
	if l.HeldBy(p) && len(l.Queue) > 0 && s.paused() {
		return driver.Busy
	}
	before := l.Fence
	o := machine.Release(l, p, time.Now())
	s.announce(l, before)
	return o
}

// announce notifies the holder of l if the fence shows a new grant.
func (s *Store) announce(l *driver.Lock, before uint64) {
	if l.Fence != before {
		s.notify(l.Holder.Lease, l.Name)
	}
}

func (c *conn) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	return c.do(ctx, Call{Op: "TakeOver", Name: name}, func() error {
		l, ok := c.store.locks[name]
		if !ok {
			return nil
		}
		after := snapshot(l)
		machine.TakeOver(&after, gone, ended, time.Now())
		if after.Fence != l.Fence && c.store.paused() {
			return nil
		}
		before := l.Fence
		*l = after
		c.store.announce(l, before)
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
		inForce, changed := machine.Revoke(l, fence, mark)
		if !inForce {
			return driver.ErrNotHeld
		}
		if holder, ok := c.store.leases[l.Holder.Lease]; ok && changed {
			holder.notice++
			c.store.notify(l.Holder.Lease, name)
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

// match returns the names that q asks for and that have rows, in byte order
// where q pages.
func (s *Store) match(q driver.Query) []string {
	var names []string
	if q.Names != nil {
		for _, name := range q.Names {
			if _, ok := s.locks[name]; ok {
				names = append(names, name)
			}
		}
		return names
	}
	if !q.Lease.IsZero() {
		for name, l := range s.locks {
			if l.Names(q.Lease) {
				names = append(names, name)
			}
		}
		return names
	}
	for name := range s.locks {
		if strings.HasPrefix(name, q.Prefix) && name > q.After {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), q.Limit)]
}

// describe adds the leases that l names, as far as they exist.
func (s *Store) describe(leases map[driver.ID]driver.LeaseState, l driver.Lock) {
	for p := range l.Places() {
		if row, ok := s.leases[p.Lease]; ok {
			leases[p.Lease] = driver.LeaseState{Lease: row.Lease, Beat: row.beat, Age: time.Since(row.renewed)}
		}
	}
}

// snapshot copies a row, with the ages of this moment.
func snapshot(l *driver.Lock) driver.Lock {
	c := *l
	c.Queue = slices.Clone(l.Queue)
	if l.Held() {
		c.Age = time.Since(l.Since)
	}
	if l.Mark != nil {
		m := *l.Mark
		m.Age = time.Since(m.At)
		c.Mark = &m
	}
	return c
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}
