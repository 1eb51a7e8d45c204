package machine

import (
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// overtakes reports whether an attempt is granted though others wait.
func overtakes(terms driver.Terms) bool {
	return terms.Mode == driver.Shared && mutation.On(mutation.SharedOvertakes)
}

// forgetsMembers reports whether the queue is served though members hold.
func forgetsMembers(l *driver.Lock) bool {
	return l.Holder.Ticket.IsZero() && mutation.On(mutation.ServeDespiteMembers)
}

// endKeeping forgets the minimum hold of a grant that was released.
func endKeeping(l *driver.Lock) {
	if mutation.On(mutation.ReleaseEndsMinHold) {
		l.KeptUntil = time.Time{}
	}
}
