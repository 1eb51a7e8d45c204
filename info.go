package leasehold

import (
	"context"
	"iter"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// State is what a lock's row says.
type State string

// The states of a lock.
const (
	Free    State = "free"
	Held    State = "held"
	Revoked State = "revoked" // held, and to be given up
	Expired State = "expired" // the holder's lease is gone: free to the next who asks
	Kept    State = "kept"    // nobody holds it, and it stays taken for its minimum hold
)

// Info describes a lock at one instant, for people and dashboards. Nothing may be
// decided by it: it is out of date when it arrives.
type Info struct {
	Name    string
	State   State    // of several holders: Revoked if one is to give up, Expired if all have
	Fence   uint64   // of the last grant; 0 if there was none
	Holder  *Holder  // the first of Holders; nil when there is none
	Holders []Holder // one, or all who share the lock or have permits, in the order of their grants
	Shared  bool     // it is held shared
	Limit   int      // how many permits there are; 0: it has no permits, or is free
	Mark    *Mark    // of the first holder who is revoked; nil if none is
	Waiters []Waiter // those in the database's queue, first come first

	Kept time.Duration // how long it stays taken though nobody holds it; 0: it does not
	Data []byte        // what a holder has stored with it
}

// Holder says who holds a lock.
type Holder struct {
	Owner, Host string
	PID         int
	App         string
	Since       time.Time     // by the database's clock
	Age         time.Duration // from Since to the reading, by the same clock
	Fence       uint64        // of the grant
	Mark        *Mark         // not nil when the grant was revoked
}

// Waiter says who waits for a lock. A waiter whose lease is gone has no fields.
type Waiter struct {
	Owner, Host string
	PID         int
	App         string
}

// Mark says that a lock was revoked.
type Mark struct {
	By, Reason string
	Age        time.Duration
}

// Get returns what is known of name; a name never locked is Free with fence 0.
// One read, no lock taken.
func (c *Client) Get(ctx context.Context, name string) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, opErr("get", "", err)
	}
	view, err := c.read(ctx, driver.Query{Names: []string{name}})
	if err != nil {
		return Info{}, c.failed("get", name, err)
	}
	if len(view.Locks) == 0 {
		return Info{Name: name, State: Free}, nil
	}
	return describe(view.Locks[0], view), nil
}

// ListOptions say which locks List yields.
type ListOptions struct {
	Prefix   string // names that start with it; empty: all
	PageSize int    // rows per read; defaults to 100, at most 10,000
}

const (
	defaultPage = 100
	maxPage     = 10_000
)

// List yields the locks in byte order of their names, free ones included, page by
// page: one read each, no lock taken; each page shows one instant. After an error
// it yields nothing more.
func (c *Client) List(ctx context.Context, o ListOptions) iter.Seq2[Info, error] {
	size := defaultPage
	if o.PageSize > 0 {
		size = min(o.PageSize, maxPage)
	}
	return func(yield func(Info, error) bool) {
		q := driver.Query{Prefix: o.Prefix, Limit: size}
		for {
			view, err := c.read(ctx, q)
			if err != nil {
				yield(Info{}, c.failed("list", "", err))
				return
			}
			for _, l := range view.Locks {
				if !yield(describe(l, view), nil) {
					return
				}
				q.After = l.Name
			}
			if len(view.Locks) < size {
				return
			}
		}
	}
}

// read makes one read on behalf of a caller.
func (c *Client) read(ctx context.Context, q driver.Query) (driver.View, error) {
	if c.closing.Err() != nil {
		return driver.View{}, ErrClosed
	}
	call, cancel := context.WithTimeout(ctx, c.callTimeout())
	defer cancel()
	return c.conn.Read(call, q)
}

func describe(l driver.Lock, view driver.View) Info {
	info := Info{Name: l.Name, State: Free, Fence: l.Fence, Shared: len(l.Members) > 0 && l.Limit == 0, Limit: l.Limit, Kept: l.Kept, Data: l.Data}
	alive := false
	for g := range l.Grants() {
		h := holderOf(g, view)
		info.Holders = append(info.Holders, h)
		if info.Mark == nil {
			info.Mark = h.Mark
		}
		s, ok := view.Leases[g.Lease]
		alive = alive || ok && s.Liveness != driver.Dead
	}
	switch {
	case len(info.Holders) > 0:
		info.Holder = &info.Holders[0]
		info.State = heldState(alive, info.Mark != nil)
	case l.Kept > 0:
		info.State = Kept
	}
	for _, p := range l.Queue {
		w := view.Leases[p.Lease]
		info.Waiters = append(info.Waiters, Waiter{Owner: w.Owner, Host: w.Info.Host, PID: w.Info.PID, App: w.Info.App})
	}
	return info
}

func heldState(alive, marked bool) State {
	switch {
	case !alive:
		return Expired
	case marked:
		return Revoked
	default:
		return Held
	}
}

// holderOf returns whose grant g is; its names are empty if its lease is gone.
func holderOf(g driver.Grant, view driver.View) Holder {
	s := view.Leases[g.Lease]
	h := Holder{
		Owner: s.Owner, Host: s.Info.Host, PID: s.Info.PID, App: s.Info.App,
		Since: g.Since, Age: max(g.Age, 0), Fence: g.Fence,
	}
	if g.Mark != nil {
		h.Mark = &Mark{By: g.Mark.By, Reason: g.Mark.Reason, Age: g.Mark.Age}
	}
	return h
}
