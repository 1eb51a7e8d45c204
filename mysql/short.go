package mysql

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// The common call has a short statement, which does the whole transition where the row is
// plain, and nothing where it is not. It is a transaction of its own: one round trip.

// shortly makes a call that is alone by its short statement, and reports whether it did.
func (c *conn) shortly(ctx context.Context, s *session, r *call) (bool, error) {
	if r.Terms != (driver.Terms{}) || c.rough[r.Name] {
		return false, nil
	}
	done, err := false, error(nil)
	if r.release {
		done, err = c.pass(ctx, s, r)
	} else if s.epoch != 0 {
		done, err = c.grant(ctx, s, r)
	}
	if refused(err) {
		return false, nil // nothing was done; the long way says why, if it lasts
	}
	c.rough.set(r.Name, !done)
	return done, err
}

// grant gives a free lock to the attempt. Its fence is drawn when the row is locked.
func (c *conn) grant(ctx context.Context, s *session, r *call) (bool, error) {
	count, fence, err := s.exec(ctx, "UPDATE "+c.t.lock+" SET fence = LAST_INSERT_ID(GREATEST(fence + 1, "+clockSQL+"))"+
		", holder_lease = "+idSQL(r.Lease)+", holder_ticket = "+idSQL(r.Ticket)+", granted_at = "+clockSQL+
		" WHERE name = "+bytesSQL(r.Name)+" AND holder_ticket IS NULL AND queue = '' AND crowd IS NULL AND data IS NULL"+
		" AND EXISTS (SELECT 1 FROM "+c.t.lease+" WHERE id = "+idSQL(r.Lease)+")"+
		" AND EXISTS (SELECT 1 FROM "+c.t.meta+" WHERE granting = 1 AND epoch = "+number(s.epoch)+" AND server = "+bytesSQL(s.server)+")")
	if err != nil || count != 1 {
		return false, err
	}
	// But where the server's clock was set back, the fence is the instant of the grant.
	lock := driver.Lock{Name: r.Name, Fence: uint64(fence), Holder: r.Place(), Since: time.UnixMicro(fence)}
	r.reply = driver.Reply{Lock: lock, Epoch: s.epoch}
	return true, nil
}

// pass ends a grant that nobody waits for, unless a guard is in progress. The guard's row is
// locked by the sub-select, and stays so until the commit.
func (c *conn) pass(ctx context.Context, s *session, r *call) (bool, error) {
	count, _, err := s.exec(ctx, "UPDATE "+c.t.lock+" SET holder_lease = NULL, holder_ticket = NULL, granted_at = NULL"+
		", mark_by = NULL, mark_reason = NULL, marked_at = NULL"+
		" WHERE name = "+bytesSQL(r.Name)+" AND holder_lease = "+idSQL(r.Lease)+" AND holder_ticket = "+idSQL(r.Ticket)+
		" AND queue = '' AND crowd IS NULL AND data IS NULL"+
		" AND (SELECT COUNT(*) FROM "+c.t.guard+" WHERE name = "+bytesSQL(r.Name)+" FOR UPDATE SKIP LOCKED) = 1")
	if err != nil || count != 1 {
		return false, err
	}
	r.outcome = driver.Released
	return true, nil
}
