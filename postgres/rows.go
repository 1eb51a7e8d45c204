package postgres

import (
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// lockRow receives the columns of a lock as the statements return them. All are
// null where there is no row.
type lockRow struct {
	name            *string
	fence           *int64
	holder, ticket  *[16]byte
	since           *time.Time
	age             *int64 // µs
	markBy, markFor *string
	markedAt        *time.Time
	markAge         *int64 // µs
	leases, tickets [][16]byte
	crowd, data     []byte
	now             *time.Time // of the read; there always
}

func (r *lockRow) targets() []any {
	return []any{
		&r.name, &r.fence, &r.holder, &r.ticket, &r.since, &r.age,
		&r.markBy, &r.markFor, &r.markedAt, &r.markAge, &r.leases, &r.tickets,
		&r.crowd, &r.data, &r.now,
	}
}

// lock converts a row that is there. The table is open to anybody's tools, so every
// invariant is checked; an error means that one is broken, and is permanent.
func (r *lockRow) lock() (driver.Lock, error) {
	if what := r.damage(); what != "" {
		return driver.Lock{}, damaged(*r.name, what)
	}
	l := driver.Lock{Name: *r.name, Fence: uint64(*r.fence)}
	if r.ticket != nil {
		l.Holder = driver.Place{Lease: *r.holder, Ticket: *r.ticket}
		l.Since, l.Age = *r.since, microseconds(*r.age)
	}
	if r.markAge != nil {
		l.Mark = &driver.Mark{By: *r.markBy, Reason: *r.markFor, At: *r.markedAt, Age: microseconds(*r.markAge)}
	}
	for i, ticket := range r.tickets {
		l.Queue = append(l.Queue, driver.Waiter{Place: driver.Place{Lease: r.leases[i], Ticket: ticket}})
	}
	l.Data = r.data
	if r.crowd != nil {
		if what := crowdInto(&l, r.crowd, *r.now); what != "" {
			return driver.Lock{}, damaged(*r.name, what)
		}
	}
	return l, nil
}

func damaged(name, what string) error {
	return driver.Permanent(fmt.Errorf("the row of lock %q is damaged (%s): restore it, or delete it when nobody uses the lock", name, what))
}

// damage says which invariant of the row is broken, or nothing.
func (r *lockRow) damage() string {
	held, marked := r.ticket != nil, r.markedAt != nil
	switch {
	case *r.fence <= 0:
		return "the fence"
	case (r.holder != nil) != held || (r.since != nil) != held:
		return "the holder"
	case (r.markBy != nil) != marked || (r.markFor != nil) != marked || marked && !held:
		return "the mark"
	case len(r.leases) != len(r.tickets) || !held && len(r.tickets) > 0 && r.crowd == nil:
		return "the queue"
	}
	return r.repeated()
}

// repeated says whether an attempt occurs twice in the row.
func (r *lockRow) repeated() string {
	if len(r.tickets) == 0 {
		return ""
	}
	seen := make(map[[16]byte]bool, len(r.tickets)+1)
	if r.ticket != nil {
		seen[*r.ticket] = true
	}
	for _, ticket := range r.tickets {
		if seen[ticket] {
			return "an attempt occurs twice"
		}
		seen[ticket] = true
	}
	return ""
}

// leaseRow receives the columns of a lease, null where there is none.
type leaseRow struct {
	id               *[16]byte
	beat, ttl        *int64 // ttl in ms
	owner, host, app *string
	pid              *int
	age              *int64 // µs
	fixed            *bool
}

func (r *leaseRow) targets() []any {
	return []any{&r.id, &r.beat, &r.ttl, &r.owner, &r.host, &r.pid, &r.app, &r.age, &r.fixed}
}

// state converts a row that is there.
func (r *leaseRow) state() driver.LeaseState {
	return driver.LeaseState{
		Lease: driver.Lease{
			ID:    *r.id,
			TTL:   time.Duration(*r.ttl) * time.Millisecond,
			Owner: *r.owner,
			Info:  driver.Info{Host: *r.host, PID: *r.pid, App: *r.app},
			Fixed: *r.fixed,
		},
		Beat: uint64(*r.beat),
		Age:  microseconds(*r.age),
	}
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
