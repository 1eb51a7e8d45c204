package check

import (
	"cmp"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// ghosts finds locks that cannot be had, rows that name somebody, and leases of
// clients that were closed in peace, though no client is left.
//
// A process that was killed while it held and awaited nothing leaves its lease's
// row behind, and so may one that was disturbed: such a row is in nobody's way.
// See Orphans.
//
// Close gives up after the TTL: a row that somebody else's transaction kept it from
// deleting for so long is left to expire. A failover to an asynchronous standby may
// lose a deletion.
func ghosts(events []history.Event, remains Remains, ttl time.Duration) (found []Violation) {
	for _, name := range remains.Stuck {
		found = append(found, violation(Ghost, name, "it could not be acquired, though nobody held it any more"))
	}
	for _, name := range remains.Taken {
		found = append(found, violation(Ghost, name, "it has a holder or a queue after all clients have ended: %s", cmp.Or(remains.Rows[name], "not known who")))
	}
	lives, promotions := lifetimes(events), asynchronous(events)
	for _, owner := range remains.Owners {
		l, ok := lives[owner]
		if ok && promotions.after(l.opened) {
			continue
		}
		if !ok || !l.disturbed(owner, events) && l.closed-l.closing < ttl*9/10 {
			found = append(found, violation(Ghost, "", "a lease of %s is left, which was closed in peace", cmp.Or(owner, "nobody")))
		}
	}
	return found
}

// Orphans returns how many of the leases that are left belong to clients that
// were killed or disturbed.
func Orphans(events []history.Event, remains Remains) int {
	lives := lifetimes(events)
	n := 0
	for _, owner := range remains.Owners {
		if l, ok := lives[owner]; ok && l.disturbed(owner, events) {
			n++
		}
	}
	return n
}

// lifetime is from Opened to Closed; a client that was not closed has no end.
type lifetime struct{ opened, closing, closed time.Duration }

func lifetimes(events []history.Event) map[string]*lifetime {
	lives := map[string]*lifetime{}
	for _, e := range events {
		switch e.Kind {
		case history.Opened:
			lives[e.Client] = &lifetime{e.At, never, never}
		case history.Closing:
			if l := lives[e.Client]; l != nil {
				l.closing = e.At
			}
		case history.Closed:
			if l := lives[e.Client]; l != nil {
				l.closed = e.At
			}
		}
	}
	return lives
}

// disturbed reports whether a fault touched the client while it was open: one of
// its process, or of the server. One that lasts touches whatever is open until it is
// healed.
func (l *lifetime) disturbed(client string, events []history.Event) bool {
	type fault struct{ client, detail string }
	begun := map[fault]time.Duration{}
	for _, e := range events {
		if e.Client != "" && e.Client != history.Process(client) {
			continue
		}
		from := e.At
		switch e.Kind {
		case history.Fault:
			begun[fault{e.Client, e.Detail}] = e.At
		case history.Healed:
			from = begun[fault{e.Client, e.Detail}]
		case history.Killed:
		default:
			continue
		}
		if from <= l.closed && l.opened <= e.At {
			return true
		}
	}
	return false
}
