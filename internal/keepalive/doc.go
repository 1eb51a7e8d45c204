// Package keepalive keeps one client's leases alive, and ends the trust in them
// on time.
//
// A [Keeper] has at most one live [Lease], made when it is first needed. One
// goroutine renews it every TTL/3. Another does nothing but wait for the trust
// deadline, so no call that hangs can delay what happens there. A lease that
// nothing uses is not renewed: when its next renewal is due it is deleted, and
// after that an idle client writes nothing.
//
// Beside that one there are leases with a TTL of their own ([Keeper.Fixed]), each for one
// lock, which are renewed by request only once the lock is granted.
//
// The trust deadline is t_send + TTL - margin, where t_send was read before the
// last successful renewal was sent (Gray and Cheriton, "Leases", 1989; the
// anchoring at the sending is what makes network delay harmless). A lease whose
// deadline has passed is never renewed, whatever the database says about it.
//
// A renewal whose reply shows another epoch or another notice extends nothing
// until the rows of all locks held have been read again; a lock whose row is
// missing, names somebody else or carries a mark is lost there and then.
package keepalive
