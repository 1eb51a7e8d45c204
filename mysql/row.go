package mysql

import (
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/crowd"
)

const columns = `name, fence, holder_lease, holder_ticket, granted_at, mark_by, mark_reason, marked_at, queue, crowd, data`

// lockRow is a row of leasehold_lock as it is stored.
type lockRow struct {
	name               []byte
	fence              int64
	lease, ticket      []byte
	since              sql.NullInt64
	markBy, markReason []byte
	markedAt           sql.NullInt64
	queue              []byte
	crowd, data        []byte // nil for most
}

func (r *lockRow) targets() []any {
	return []any{
		&r.name, &r.fence, &r.lease, &r.ticket, &r.since, &r.markBy, &r.markReason, &r.markedAt,
		&r.queue, &r.crowd, &r.data,
	}
}

const (
	idSize    = len(driver.ID{})
	placeSize = 2 * idSize
)

// lock converts the row, read at the instant now by the server's clock. The table is open
// to anybody's tools, so every invariant is checked; an error means that one is broken, and
// is permanent.
func (r *lockRow) lock(now time.Time) (driver.Lock, error) {
	l := driver.Lock{Name: string(r.name), Fence: uint64(r.fence)}
	what := r.damage()
	if what == "" {
		r.fill(&l, now)
		what = r.join(&l, now)
	}
	if what != "" {
		return driver.Lock{}, driver.Permanent(fmt.Errorf("the row of lock %q is damaged (%s): restore it, or delete it when nobody uses the lock", l.Name, what))
	}
	return l, nil
}

// fill sets what every row has.
func (r *lockRow) fill(l *driver.Lock, now time.Time) {
	if r.ticket != nil {
		l.Holder = placeOf(r.lease, r.ticket)
		l.Since = time.UnixMicro(r.since.Int64)
		l.Age = max(now.Sub(l.Since), 0)
	}
	if r.markedAt.Valid {
		at := time.UnixMicro(r.markedAt.Int64)
		l.Mark = &driver.Mark{By: string(r.markBy), Reason: string(r.markReason), At: at, Age: max(now.Sub(at), 0)}
	}
	for entry := range slices.Chunk(r.queue, placeSize) {
		l.Queue = append(l.Queue, driver.Waiter{Place: placeOf(entry[:idSize], entry[idSize:])})
	}
	if len(r.data) > 0 {
		l.Data = r.data
	}
}

// join sets what few rows have. It says which invariant of the row as a whole is broken,
// or nothing.
func (r *lockRow) join(l *driver.Lock, now time.Time) string {
	if r.crowd != nil {
		if what := crowd.Decode(l, r.crowd, now); what != "" {
			return what
		}
	}
	held := l.Held()
	switch {
	case !held && !l.KeptUntil.IsZero():
		l.Kept = max(l.KeptUntil.Sub(now), 0)
	case !held && len(l.Queue) > 0:
		return "the queue"
	case len(l.Members) > 0 && !l.KeptUntil.IsZero():
		return "the minimum hold"
	}
	if l.KeepData && l.Data == nil || l.Data != nil && !l.KeepData && !held {
		return "the data"
	}
	return crowd.Twice(l)
}

// damage says which invariant of the columns is broken, or nothing.
func (r *lockRow) damage() string {
	held, marked := r.ticket != nil, r.markedAt.Valid
	switch {
	case r.fence < 0 || r.fence == 0 && (held || len(r.queue) > 0):
		return "the fence"
	case (r.lease != nil) != held || r.since.Valid != held || held && (len(r.lease) != idSize || len(r.ticket) != idSize):
		return "the holder"
	case (r.markBy != nil) != marked || (r.markReason != nil) != marked || marked && !held:
		return "the mark"
	case len(r.queue)%placeSize != 0:
		return "the queue"
	}
	return ""
}

func placeOf(lease, ticket []byte) driver.Place {
	return driver.Place{Lease: driver.ID(lease), Ticket: driver.ID(ticket)}
}
