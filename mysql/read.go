package mysql

import (
	"context"
	"database/sql"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Read implements driver.Conn: one snapshot, and two round trips where a row names a lease.
// A view that shows a grant of this Conn's leases which it has not known before is returned
// when that grant is on the disk.
func (c *conn) Read(ctx context.Context, query driver.Query) (driver.View, error) {
	l := c.command
	if query.Keepalive {
		l = c.keepalive
	}
	var view driver.View
	err := c.on(ctx, l, func(ctx context.Context, s *session) (err error) {
		view, err = c.view(ctx, s, query)
		if err != nil && !s.broken {
			s.rollback(ctx)
		}
		if err == nil {
			err = c.makeSure(ctx, s, view.Locks)
		}
		return err
	})
	if err != nil {
		return driver.View{}, err
	}
	return view, nil
}

// snapshot begins a transaction that reads from one snapshot, whatever is committed since.
var snapshot = []string{
	"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
	"START TRANSACTION WITH CONSISTENT SNAPSHOT",
}

func (c *conn) view(ctx context.Context, s *session, query driver.Query) (driver.View, error) {
	view := driver.View{Leases: map[driver.ID]driver.LeaseState{}}
	var m meta
	var rows []lockRow
	script := append(plain(snapshot...),
		statement{"SELECT " + metaColumns + " FROM " + c.t.meta, row(m.targets()...)},
		statement{c.selectSQL(query), func(r *sql.Rows) error {
			rows = append(rows, lockRow{})
			return r.Scan(rows[len(rows)-1].targets()...)
		}})
	if err := s.run(ctx, script...); err != nil {
		return view, err
	}
	view.Epoch = m.epoch
	var ids []driver.ID
	seen := map[driver.ID]bool{}
	for i := range rows {
		l, err := rows[i].lock(m.now())
		if err != nil {
			return view, err
		}
		if !query.Lease.IsZero() && !l.Names(query.Lease) {
			continue // its id occurs across two others
		}
		view.Locks = append(view.Locks, l)
		for p := range l.Places() {
			if !seen[p.Lease] {
				seen[p.Lease] = true
				ids = append(ids, p.Lease)
			}
		}
	}
	script = plain("COMMIT")
	if len(ids) > 0 {
		script = append([]statement{{c.t.leasesSQL(ids), func(r *sql.Rows) error {
			state, err := scanLease(r, m.clock)
			view.Leases[state.ID] = state
			return err
		}}}, script...)
	}
	return view, s.run(ctx, script...)
}

// selectSQL returns the statement that reads the rows of a query.
func (c *conn) selectSQL(q driver.Query) string {
	from := "SELECT " + columns + " FROM " + c.t.lock + " WHERE "
	switch {
	case q.Names != nil && len(q.Names) == 0:
		return from + "1 = 0"
	case q.Names != nil:
		return from + "name IN (" + listSQL(q.Names, bytesSQL) + ") ORDER BY name"
	case !q.Lease.IsZero():
		id := idSQL(q.Lease)
		return from + "holder_lease = " + id + " OR LOCATE(" + id + ", queue) > 0 OR LOCATE(" + bytesSQL(q.Lease.String()) + ", crowd) > 0 ORDER BY name"
	}
	condition := "name > " + bytesSQL(q.After) + " AND name >= " + bytesSQL(q.Prefix)
	if end := above(q.Prefix); end != nil {
		condition += " AND name < " + bytesSQL(end)
	}
	return from + condition + " ORDER BY name LIMIT " + number(max(q.Limit, 1))
}

// above returns the least string that is larger than all that start with prefix, or nil
// if there is none.
func above(prefix string) []byte {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

func (t tables) leasesSQL(ids []driver.ID) string {
	return "SELECT id, beat, ttl_ms, owner, host, pid, app, renewed_at, fixed FROM " + t.lease + " WHERE id IN (" + listSQL(ids, idSQL) + ")"
}

func scanLease(r *sql.Rows, clock int64) (l driver.LeaseState, err error) {
	var id []byte
	var ttl, renewed int64
	err = r.Scan(&id, &l.Beat, &ttl, &l.Owner, &l.Info.Host, &l.Info.PID, &l.Info.App, &renewed, &l.Fixed)
	if err == nil {
		l.ID = driver.ID(id)
		l.TTL = time.Duration(ttl) * time.Millisecond
		l.Age = max(time.Duration(clock-renewed)*time.Microsecond, 0)
	}
	return l, err
}
