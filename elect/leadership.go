package elect

import (
	"context"

	"github.com/leaseholdgo/leasehold"
)

// Leadership says who led at one instant, as the database showed it. It is for
// people, dashboards and routing: it is out of date when it arrives.
type Leadership struct {
	// Term is that of the leader, or if there is none the last one known; 0 if
	// there was none so far.
	Term uint64

	// Leader is nil when nobody leads. A leader that was asked to step down is
	// shown until it has let go; one that has died, until the database knows.
	Leader *leasehold.Holder
}

// Leader returns who leads now. One read, no lock taken. An error that matches
// [leasehold.ErrUnavailable] may pass.
func (e *Election) Leader(ctx context.Context) (Leadership, error) {
	info, err := e.client.Get(ctx, e.name)
	if err != nil {
		return Leadership{}, err
	}
	l := Leadership{Term: info.Fence}
	if info.State == leasehold.Held || info.State == leasehold.Revoked {
		l.Leader = info.Holder
	}
	return l, nil
}

// after returns what a later reading says to somebody who knows of before, and
// whether that is a change. A term that is over does not return: a smaller one, or
// none, shows that the row was swept, or lost in a fail-over.
func (l Leadership) after(before Leadership) (Leadership, bool) {
	if l.Term < before.Term {
		l = Leadership{Term: before.Term}
	}
	return l, l.Term > before.Term || l.Leader == nil && before.Leader != nil
}
