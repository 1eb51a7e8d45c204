package sqlite

import (
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/crowd"
)

const columns = `name, fence, holder_lease, holder_ticket, since, mark_by, mark_reason, mark_at, queue,
	crowd, kept_until, data, keep_data`

// row is a row of leasehold_lock as it is stored.
type row struct {
	name               []byte
	fence              int64
	lease, ticket      []byte
	since              sql.NullInt64
	markBy, markReason sql.NullString
	markAt             sql.NullInt64
	queue              []byte
	crowd              []byte // nil for most
	keptUntil          sql.NullInt64
	data               []byte
	keepData           bool
}

func scan(s scanner) (r row, err error) {
	err = s.Scan(&r.name, &r.fence, &r.lease, &r.ticket, &r.since, &r.markBy, &r.markReason, &r.markAt, &r.queue,
		&r.crowd, &r.keptUntil, &r.data, &r.keepData)
	return r, err
}

// lock reads the row of name; without one, it returns a lock that was never held.
func (t *tx) lock(name string) (*driver.Lock, error) {
	r, err := t.load(name)
	if errors.Is(err, sql.ErrNoRows) {
		return &driver.Lock{Name: name}, nil
	}
	if err != nil {
		return nil, err
	}
	return t.decode(r)
}

func (t *tx) load(name string) (row, error) {
	return scan(t.row(`SELECT `+columns+` FROM leasehold_lock WHERE name = ?`, []byte(name)))
}

// decode checks every invariant of a row, because the file is open to anybody's
// tools.
func (t *tx) decode(r row) (*driver.Lock, error) {
	l := &driver.Lock{Name: string(r.name), Fence: uint64(r.fence)}
	if what := r.damage(); what != "" {
		return nil, corrupt("lock", l.Name, what)
	}
	if len(r.lease) != 0 {
		l.Holder = place(r.lease, r.ticket)
		l.Since = time.UnixMicro(r.since.Int64)
		l.Age = t.age(l.Since)
	}
	if r.markAt.Valid {
		at := time.UnixMicro(r.markAt.Int64)
		l.Mark = &driver.Mark{By: r.markBy.String, Reason: r.markReason.String, At: at, Age: t.age(at)}
	}
	for entry := range slices.Chunk(r.queue, placeSize) {
		l.Queue = append(l.Queue, driver.Waiter{Place: place(entry[:idSize], entry[idSize:])})
	}
	if r.crowd != nil {
		if what := crowd.Decode(l, r.crowd, t.now); what != "" {
			return nil, corrupt("lock", l.Name, what)
		}
	}
	if what := crowd.Twice(l); what != "" {
		return nil, corrupt("lock", l.Name, what)
	}
	if len(r.data) > 0 {
		l.Data, l.KeepData = r.data, r.keepData
	}
	if r.keptUntil.Valid {
		l.KeptUntil = time.UnixMicro(r.keptUntil.Int64)
	}
	switch {
	case !l.Held() && !l.KeptUntil.IsZero():
		l.Kept = max(l.KeptUntil.Sub(t.now), 0)
	case !l.Held() && len(l.Queue) > 0:
		return nil, corrupt("lock", l.Name, "the queue")
	case len(l.Members) > 0 && !l.KeptUntil.IsZero():
		return nil, corrupt("lock", l.Name, "the minimum hold")
	}
	return l, nil
}

const (
	idSize    = len(driver.ID{})
	placeSize = 2 * idSize
)

// damage says which invariant of a single row is broken, or nothing.
func (r *row) damage() string {
	held := len(r.lease) != 0 || len(r.ticket) != 0
	switch {
	case r.fence < 0 || held && r.fence == 0:
		return "the fence"
	case held && (len(r.lease) != idSize || len(r.ticket) != idSize || !r.since.Valid):
		return "the holder"
	case len(r.queue)%placeSize != 0:
		return "the queue"
	case r.markAt.Valid && !held:
		return "the mark"
	case r.keepData && len(r.data) == 0, len(r.data) > 0 && !r.keepData && !held && r.crowd == nil:
		return "the data"
	}
	return ""
}

func place(lease, ticket []byte) driver.Place {
	return driver.Place{Lease: driver.ID(lease), Ticket: driver.ID(ticket)}
}

// store writes the row of l. A plain one, as most are, costs no more for what it lacks.
func (t *tx) store(l *driver.Lock) error {
	r := encode(l)
	args := []any{r.name, r.fence, r.lease, r.ticket, r.since, r.markBy, r.markReason, r.markAt, r.queue}
	if l.Plain() {
		return t.exec(storePlain, args...)
	}
	return t.exec(storeAll, append(args, text(r.crowd), r.keptUntil, r.data, r.keepData)...)
}

const (
	storePlain = `
		INSERT INTO leasehold_lock (name, fence, holder_lease, holder_ticket, since, mark_by, mark_reason, mark_at, queue)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)` + onConflict
	storeAll = `
		INSERT INTO leasehold_lock (` + columns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)` + onConflict
	onConflict = `
		ON CONFLICT (name) DO UPDATE SET fence = excluded.fence,
			holder_lease = excluded.holder_lease, holder_ticket = excluded.holder_ticket, since = excluded.since,
			mark_by = excluded.mark_by, mark_reason = excluded.mark_reason, mark_at = excluded.mark_at,
			queue = excluded.queue, crowd = excluded.crowd, kept_until = excluded.kept_until,
			data = excluded.data, keep_data = excluded.keep_data`
)

func encode(l *driver.Lock) row {
	r := row{name: []byte(l.Name), fence: int64(l.Fence), queue: []byte{}, crowd: crowd.Text{Apart: true}.Encode(l), data: l.Data, keepData: l.KeepData}
	if !l.KeptUntil.IsZero() {
		r.keptUntil = micros(l.KeptUntil)
	}
	if !l.Holder.Ticket.IsZero() {
		r.lease, r.ticket = l.Holder.Lease[:], l.Holder.Ticket[:]
		r.since = micros(l.Since)
	}
	if m := l.Mark; m != nil {
		r.markBy = sql.NullString{String: m.By, Valid: true}
		r.markReason = sql.NullString{String: m.Reason, Valid: true}
		r.markAt = micros(m.At)
	}
	for _, p := range l.Queue {
		r.queue = append(append(r.queue, p.Lease[:]...), p.Ticket[:]...)
	}
	return r
}

func micros(t time.Time) sql.NullInt64 { return sql.NullInt64{Int64: t.UnixMicro(), Valid: true} }

// text stores bytes as text, and none as null.
func text(b []byte) sql.NullString { return sql.NullString{String: string(b), Valid: b != nil} }
