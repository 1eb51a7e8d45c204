package mysql

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// The common call has a short statement, which does the whole transition where the row is
// plain, and nothing where it is not. It is a transaction of its own: one round trip.

// shortly makes a call that is alone by its short statement, and reports whether it did.
func (c *conn) shortly(ctx context.Context, s *session, r *call) (done bool, err error) {
	switch {
	case r.Terms != (driver.Terms{}) || c.rough[r.Name]:
		return false, nil
	case r.release:
		done, err = c.pass(ctx, s, r)
	case s.epoch != 0:
		done, err = c.grant(ctx, s, r)
	}
	if refused(err) {
		return false, nil // nothing was done; the long way says why, if it lasts
	}
	c.rough.set(r.Name, !done)
	return done, err
}

// grant gives a free lock to the attempt. Its fence is larger than the last one of the row as
// it is when it is locked; the clock, which it also is not below, is that of the statement's
// beginning.
func (c *conn) grant(ctx context.Context, s *session, r *call) (bool, error) {
	count, fence, err := s.prepared(ctx, c.t.grantSQL, r.Lease[:], r.Ticket[:], []byte(r.Name), r.Lease[:], s.epoch, s.server)
	if err != nil || count != 1 {
		return false, err
	}
	// But where the server's clock was set back, the fence is the instant of the grant.
	lock := driver.Lock{Name: r.Name, Fence: uint64(fence), Holder: r.Place(), Since: time.UnixMicro(fence)}
	r.reply = driver.Reply{Lock: lock, Epoch: s.epoch}
	return true, nil
}

// pass ends a grant that nobody waits for, unless a guard is in progress.
func (c *conn) pass(ctx context.Context, s *session, r *call) (bool, error) {
	count, _, err := s.prepared(ctx, c.t.passSQL, []byte(r.Name), r.Lease[:], r.Ticket[:], []byte(r.Name))
	if err != nil || count != 1 {
		return false, err
	}
	r.outcome = driver.Released
	return true, nil
}

// The texts of the two statements. Sub-selects in an UPDATE read what was committed and
// lock nothing at READ COMMITTED, but for the one that asks for it: it locks the guard's
// row, until the commit.
func (t *tables) setShort() {
	const isPlain = " AND queue = '' AND crowd IS NULL AND data IS NULL"
	t.grantSQL = "UPDATE " + t.lock + " SET fence = LAST_INSERT_ID(GREATEST(fence + 1, " + clockSQL + "))" +
		", holder_lease = ?, holder_ticket = ?, granted_at = " + clockSQL +
		" WHERE name = ? AND holder_ticket IS NULL" + isPlain +
		" AND EXISTS (SELECT 1 FROM " + t.lease + ", " + t.meta + " WHERE id = ? AND one = 1 AND granting = 1 AND epoch = ? AND server = ?)"
	t.passSQL = "UPDATE " + t.lock + " SET holder_lease = NULL, holder_ticket = NULL, granted_at = NULL" +
		", mark_by = NULL, mark_reason = NULL, marked_at = NULL" +
		" WHERE name = ? AND holder_lease = ? AND holder_ticket = ?" + isPlain +
		" AND EXISTS (SELECT 1 FROM " + t.guard + " WHERE name = ? FOR UPDATE SKIP LOCKED)"
}
