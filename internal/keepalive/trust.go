package keepalive

import (
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// Trust is what a client may conclude from the replies that it got about one of its
// leases: the rules of a [Lease], without its goroutines, its locks and its clock. It is
// a value, so that all orders of replies can be tried; instants are of package clock.
// It is not safe for concurrent use.
type Trust struct {
	TTL   time.Duration
	Sent  time.Time      // t_send of the last successful renewal
	Known driver.Renewal // as of the last time all rows were known
	Reads int            // how often the rows were read again
	Dirty bool           // the rows must be read again before trust is extended
	Cause error          // why trust ended; nil while it lasts
}

// NewTrust returns the trust in a lease whose making was asked for at the instant sent,
// and answered with r.
func NewTrust(ttl time.Duration, sent time.Time, r driver.Renewal) Trust {
	return Trust{TTL: ttl, Sent: sent, Known: r}
}

// Deadline returns the trust deadline.
func (t *Trust) Deadline() time.Time { return t.Sent.Add(t.TTL - clock.Margin(t.TTL)) }

// At reports whether the lease may be believed in at the instant now.
func (t *Trust) At(now time.Time) bool { return t.Cause == nil && now.Before(t.Deadline()) }

// MayRenew reports whether a renewal may be sent at the instant now: a lease whose
// deadline has passed is never renewed.
func (t *Trust) MayRenew(now time.Time) bool {
	return t.At(now) || mutation.On(mutation.ReviveDeadLease)
}

// Extend moves the deadline, after the reply to a renewal that was sent at the instant
// sent, unless it has passed now.
func (t *Trust) Extend(sent, now time.Time) {
	if mutation.On(mutation.AnchorAtReceipt) {
		sent = now
	}
	if t.At(now) || mutation.On(mutation.ReviveDeadLease) {
		t.Sent = sent
	}
}

// Settled reports whether the reply r to a renewal, and all that was seen since the last
// one, leaves the rows of the locks held as they are known.
func (t *Trust) Settled(r driver.Renewal) bool {
	return r == t.Known && !t.Dirty || mutation.On(mutation.IgnoreEpochAndNotice)
}

// SawEpoch notes which incarnation of the database answered a call. It reports whether
// the rows must be read again.
func (t *Trust) SawEpoch(epoch uint64) bool {
	if epoch == t.Known.Epoch {
		return false
	}
	t.Dirty = true
	return true
}

// Reread notes that the rows of all locks held are about to be read again. A grant that
// was asked for before this, and is added after it, is not among them; see Admit.
func (t *Trust) Reread() {
	t.Reads++
	t.Dirty = false
}

// Learn notes the end of that read, made for the renewal r: err is nil if the rows are
// known. It reports whether they are of another incarnation than before.
func (t *Trust) Learn(r driver.Renewal, err error) (failover bool) {
	if err != nil {
		t.Dirty = true
		return false
	}
	failover = r.Epoch != t.Known.Epoch
	t.Known = r
	return failover
}

// Admit returns why a grant must not be believed in at the instant now, or nil. reads is
// what Reads was before the call was sent that led to the grant.
//
// That is what makes a grant safe to believe in whose news came late. While Reads is
// what it was, no renewal has returned a new notice or epoch; so the last one was sent
// before any revocation of the grant, and trust ends before that takes effect.
func (t *Trust) Admit(reads int, now time.Time) error {
	switch {
	case t.Cause != nil:
		return t.Cause
	case !t.At(now):
		return ErrExpired
	case reads != t.Reads && !mutation.On(mutation.BelieveStaleGrants):
		return ErrStale
	}
	return nil
}

// Marked reports whether a grant was revoked before the client learned of it. It must be
// let go of and never be believed in: a renewal may have returned the notice of that
// revocation already, and no other one will come.
func Marked(g driver.Grant) bool {
	return g.Mark != nil && !mutation.On(mutation.BelieveMarkedGrants)
}

// Verdict returns why the lock is lost whose row was just read, or nil.
func Verdict(row *driver.Lock, hold driver.Hold, failover bool) error {
	var g driver.Grant
	if row != nil {
		g, _ = row.GrantOf(hold.Place())
	}
	switch {
	case g.Fence == hold.Fence && g.Mark == nil:
		return nil
	case g.Fence == hold.Fence:
		return &RevokedError{By: g.Mark.By, Reason: g.Mark.Reason}
	case failover:
		return ErrFailedOver
	default:
		return ErrLeaseGone
	}
}

// Redraw reports whether a lease that is about to be made needs a new id: an attempt
// of unknown outcome, first sent at the instant drawn, is repeated under the same id
// only as long as nobody can have expired it.
func Redraw(drawn, sent time.Time, ttl time.Duration) bool { return sent.Sub(drawn) > ttl/2 }
