package table

import "time"

// An old client that waits asks for the row once in a lease duration. It would rarely find
// it free where clients like this one hand it to each other. But it leaves a trace: it
// writes the row again though it does not get it, with the RVN that it had. Who sees
// that knows when it asks again, and leaves the row free then.
const (
	oldLead = 100 * time.Millisecond // for those who hold to let go
	oldTail = 20 * time.Millisecond
)

// notice notes which transaction has written the row as it was seen.
func (r *row) notice(xmin int64, at time.Time, lease time.Duration) {
	if f := &r.foreign; f.xmin != 0 && f.xmin != xmin {
		r.old = at.Add(lease)
	}
	r.foreign.xmin = xmin
}

// expectsOld reports whether the row is to be left to an old client now.
func (r *row) expectsOld(now time.Time) bool {
	return now.Add(oldLead).After(r.old) && now.Before(r.old.Add(oldTail))
}
