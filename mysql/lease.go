package mysql

import (
	"context"
	"database/sql"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// CreateLease implements driver.Conn. The row of the tables is locked to share, so that no
// lease is made above a cap that is being lowered.
func (c *conn) CreateLease(ctx context.Context, l driver.Lease) (driver.Renewal, error) {
	insert := "INSERT INTO " + c.t.lease + " (id, beat, notice, ttl_ms, owner, host, pid, app, renewed_at, fixed) SELECT " +
		idSQL(l.ID) + ", 1, 0, " + number(l.TTL.Milliseconds()) + ", " + bytesSQL(l.Owner) + ", " + bytesSQL(l.Info.Host) + ", " +
		number(l.Info.PID) + ", " + bytesSQL(l.Info.App) + ", " + clockSQL + ", " + boolean(l.Fixed) +
		" FROM " + c.t.meta + " AS m WHERE " + boolean(l.Fixed) + " OR m.max_ttl_ms >= " + number(l.TTL.Milliseconds()) +
		" ON DUPLICATE KEY UPDATE beat = beat + 1, renewed_at = " + clockSQL
	return c.renewal(ctx, c.command, l.ID, func(m meta) error {
		return driver.Permanent(&driver.TTLError{TTL: l.TTL, Cap: m.longest()})
	}, "BEGIN", "SELECT max_ttl_ms FROM "+c.t.meta+" LOCK IN SHARE MODE", insert)
}

// RenewLease implements driver.Conn. It has a connection of its own.
func (c *conn) RenewLease(ctx context.Context, id driver.ID) (driver.Renewal, error) {
	return c.renewal(ctx, c.keepalive, id, func(meta) error { return driver.ErrLeaseGone },
		"UPDATE "+c.t.lease+" SET beat = beat + 1, renewed_at = "+clockSQL+" WHERE id = "+idSQL(id))
}

// renewal runs statements, the last of which makes or renews the lease, and then reads it,
// and so a notice that was raised until then. A new incarnation is recorded before it is
// reported. missing returns the error where there is no row.
func (c *conn) renewal(ctx context.Context, l *link, id driver.ID, missing func(meta) error, texts ...string) (driver.Renewal, error) {
	var renewal driver.Renewal
	err := c.on(ctx, l, func(ctx context.Context, s *session) error {
		var m meta
		var notice sql.NullInt64
		script := plain(texts...)
		if texts[0] == "BEGIN" {
			script[1].read = row(new(int64))
		}
		script = append(script, statement{
			"SELECT " + metaColumns + ", l.notice FROM " + c.t.meta + " LEFT JOIN " + c.t.lease + " AS l ON l.id = " + idSQL(id),
			row(append(m.targets(), &notice)...),
		})
		if texts[0] == "BEGIN" {
			script = append(script, statement{sql: "COMMIT"})
		}
		if err := s.run(ctx, script...); err != nil {
			s.rollback(ctx)
			return err
		}
		if !notice.Valid {
			return missing(m)
		}
		renewal = driver.Renewal{Epoch: m.epoch, Notice: uint64(notice.Int64)}
		if m.server != s.server {
			var err error
			renewal.Epoch, err = c.recordEpoch(ctx, s)
			return err
		}
		return nil
	})
	if err != nil {
		return driver.Renewal{}, err
	}
	c.mu.Lock()
	c.leases[id] = true
	c.mu.Unlock()
	return renewal, nil
}

// EndLease implements driver.Conn. This store knows no lease to be dead. If the delete had
// to wait for a renewal, its condition is judged on the renewed version, where neither the
// beat nor the age fits any more.
func (c *conn) EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (bool, error) {
	condition := "0"
	switch {
	case grounds.Own:
		condition = "1"
	case grounds.Observed != 0:
		condition = "beat = " + number(grounds.Observed)
	case grounds.Overdue > 0:
		// Rounded up: sooner than asked would be too soon.
		tolerance := (grounds.Overdue + time.Millisecond - 1).Milliseconds()
		condition = clockSQL + " > renewed_at + (ttl_ms + " + number(tolerance) + ") * 1000"
	}
	var count int
	err := c.on(ctx, c.command, func(ctx context.Context, s *session) error {
		return s.run(ctx,
			statement{sql: "DELETE FROM " + c.t.lease + " WHERE id = " + idSQL(id) + " AND (" + condition + ")"},
			statement{"SELECT COUNT(*) FROM " + c.t.lease + " WHERE id = " + idSQL(id), row(&count)})
	})
	gone := err == nil && count == 0
	if gone {
		c.mu.Lock()
		delete(c.leases, id)
		c.mu.Unlock()
	}
	return gone, err
}
