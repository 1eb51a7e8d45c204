package table

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// seen is what a look has found in the table.
type seen struct {
	name  string
	rvn   sql.NullInt64
	owner sql.NullString
	xmin  int64 // the transaction that wrote the row
}

func scanSeen(rows *sql.Rows) (s seen, err error) {
	return s, rows.Scan(&s.name, &s.rvn, &s.owner, &s.xmin)
}

// leastPause and mostPause bound the pause between two looks at a name.
const (
	leastPause = 2 * time.Millisecond
	mostPause  = 250 * time.Millisecond
)

// pollPause is how long to wait before the next look at a name whose holder was first
// seen so long ago: a fiftieth of that.
func pollPause(since time.Duration) time.Duration {
	return backoff.Jitter(min(max(since/50, leastPause), mostPause))
}

// look reads the rows of names that somebody else holds, all in one statement, and
// returns those that are held no more.
func (t *Table) look(ctx context.Context, names []string) (free []string, err error) {
	before := t.changes(names)
	if len(before) == 0 {
		return nil, nil
	}
	leave, err := t.enterLane(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	rows, err := query(ctx, t, t.sql.look, scanSeen, texts(names))
	if err != nil {
		t.dropStamps()
		return nil, err
	}
	at := clock.Now()
	found := map[string]seen{}
	for _, s := range rows {
		found[s.name] = s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for r, change := range before {
		if r.change != change || len(r.busy) > 0 || !r.isForeign() {
			continue // what was read may be older than what is known
		}
		s := found[r.lock.Name]
		if s.rvn.Valid && !slices.Contains(t.expected(r), s.rvn.Int64) {
			t.see(r, s.rvn.Int64, s.owner.String, at)
			r.notice(s.xmin, at, t.cfg.Lease)
		} else if len(r.lock.Queue) > 0 && r.expectsOld(at) {
			r.foreign.due, r.foreign.look = r.old.Add(oldTail), at
		} else if !r.foreign.ended || !s.rvn.Valid {
			t.vacate(r)
			free = append(free, r.lock.Name)
		}
	}
	return free, nil
}

// changes returns the rows that somebody else holds, with what tells whether they have
// changed since.
func (t *Table) changes(names []string) map[*row]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := map[*row]int{}
	for _, name := range names {
		if r := t.rows[name]; r != nil && r.isForeign() && len(r.busy) == 0 {
			before[r] = r.change
		}
	}
	return before
}

// Read implements driver.Conn. It asks the table only for names that somebody else holds.
// Rows are known by their names only: it does not page.
func (t *Table) Read(ctx context.Context, query driver.Query) (driver.View, error) {
	if !query.Keepalive {
		if names := t.stale(query.Names); len(names) > 0 {
			if _, err := t.look(ctx, names); err != nil {
				return driver.View{}, err
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	view := driver.View{Leases: map[driver.ID]driver.LeaseState{}, Epoch: epoch}
	now := clock.Now()
	for _, name := range query.Names {
		r := t.rows[name]
		if r == nil || !r.lock.Held() {
			continue
		}
		view.Locks = append(view.Locks, r.snapshot())
		for p := range r.lock.Places() {
			if s, ok := t.state(p.Lease, now); ok {
				view.Leases[p.Lease] = s
			}
		}
	}
	return view, nil
}

// stale returns those of the names that are to be looked at.
func (t *Table) stale(names []string) (stale []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := clock.Now()
	for _, name := range names {
		r := t.rows[name]
		if r != nil && r.isForeign() && !r.foreign.ended && r.isDue(now) {
			stale = append(stale, name)
		}
	}
	return stale
}

// state returns what is known of a lease.
func (t *Table) state(id driver.ID, now time.Time) (driver.LeaseState, bool) {
	if l := t.leases[id]; l != nil {
		return driver.LeaseState{Lease: l.Lease, Beat: 1, Liveness: driver.Alive}, true
	}
	r := t.others[id]
	if r == nil {
		return driver.LeaseState{}, false
	}
	f := &r.foreign
	return driver.LeaseState{
		Lease: driver.Lease{ID: id, TTL: t.lease(), Owner: f.owner},
		Beat:  f.beat, Age: now.Sub(f.beats),
	}, true
}

// lease is the lease duration that holders are judged by, in whole milliseconds.
func (t *Table) lease() time.Duration {
	const ms = time.Millisecond
	return (t.cfg.Lease + ms - 1) / ms * ms
}
