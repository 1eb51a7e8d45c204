package keyed

import (
	"fmt"

	"github.com/leaseholdgo/leasehold/driver"
)

// Prove returns the key and the session by which an attempt holds, and keeps others in the
// process from being granted the lock without a look for guards (see Unguarded).
// driver.ErrNotHeld: it does not hold, or was revoked.
func (c *Conn) Prove(a driver.Attempt) (key string, s Session, err error) {
	t := c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[a.Name]
	if r == nil || t.session == nil || r.held == None || !t.lives(a.Lease) {
		return "", nil, driver.ErrNotHeld
	}
	g, ok := r.lock.GrantOf(a.Place())
	switch {
	case !ok:
		return "", nil, driver.ErrNotHeld
	case g.Mark != nil:
		return "", nil, fmt.Errorf("%w: revoked by %s: %s", driver.ErrNotHeld, g.Mark.By, g.Mark.Reason)
	}
	r.guarded = true
	return r.key, t.session, nil
}

// Key returns the key of a name.
func (c *Conn) Key(name string) string { return c.table.cfg.Key(name) }
