package postgres

import (
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
}

func (r *lockRow) targets() []any {
	return []any{
		&r.name, &r.fence, &r.holder, &r.ticket, &r.since, &r.age,
		&r.markBy, &r.markFor, &r.markedAt, &r.markAge, &r.leases, &r.tickets,
	}
}

// lock converts a row that is there.
func (r *lockRow) lock() driver.Lock {
	l := driver.Lock{Name: *r.name, Fence: uint64(*r.fence)}
	if r.ticket != nil {
		l.Holder = driver.Place{Lease: *r.holder, Ticket: *r.ticket}
		l.Since, l.Age = *r.since, microseconds(*r.age)
	}
	if r.markAge != nil {
		l.Mark = &driver.Mark{By: *r.markBy, Reason: *r.markFor, At: *r.markedAt, Age: microseconds(*r.markAge)}
	}
	for i, ticket := range r.tickets {
		l.Queue = append(l.Queue, driver.Place{Lease: r.leases[i], Ticket: ticket})
	}
	return l
}

// leaseRow receives the columns of a lease, null where there is none.
type leaseRow struct {
	id               *[16]byte
	beat, ttl        *int64 // ttl in ms
	owner, host, app *string
	pid              *int
	age              *int64 // µs
}

func (r *leaseRow) targets() []any {
	return []any{&r.id, &r.beat, &r.ttl, &r.owner, &r.host, &r.pid, &r.app, &r.age}
}

// state converts a row that is there.
func (r *leaseRow) state() driver.LeaseState {
	return driver.LeaseState{
		Lease: driver.Lease{
			ID:    *r.id,
			TTL:   time.Duration(*r.ttl) * time.Millisecond,
			Owner: *r.owner,
			Info:  driver.Info{Host: *r.host, PID: *r.pid, App: *r.app},
		},
		Beat: uint64(*r.beat),
		Age:  microseconds(*r.age),
	}
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
