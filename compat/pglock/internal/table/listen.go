package table

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// Listen implements driver.Listener: it polls for those who wait, tells at once of rows that
// were found to be lost, and gives held rows a new RVN as often as was asked for, where that
// is much more often than the engine renews.
func (t *Table) Listen(ctx context.Context, _ driver.ID, wake func(driver.Hint)) error {
	told := t.notices()
	wake(driver.Hint{})
	for ctx.Err() == nil {
		if n := t.notices(); n != told {
			told = n
			wake(driver.Hint{})
		}
		names, poll := t.due(clock.Now())
		if len(names) > 0 {
			t.tell(ctx, names, wake)
			continue
		}
		beat := t.nextBeat()
		if !beat.IsZero() && clock.Until(beat) <= 0 {
			t.beatAll(ctx)
			continue
		}
		t.sleep(ctx, poll, beat)
	}
	return ctx.Err()
}

// due returns the names to look at, or if there are none, when there will be some; zero:
// somebody wakes us.
func (t *Table) due(now time.Time) (names []string, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, r := range t.rows {
		if !r.isForeign() || r.foreign.ended || len(r.lock.Queue) == 0 || len(r.busy) > 0 {
			continue
		}
		due := r.foreign.due
		if next.IsZero() || due.Before(next) {
			next = due
		}
		if !now.Add(due.Sub(r.foreign.look) / 2).Before(due) {
			names = append(names, name) // if any is due, so is this one: it is half-way there
		}
	}
	if now.Before(next) {
		return nil, next
	}
	return names, next
}

// tell looks at the names, and tells of those that are to be had.
func (t *Table) tell(ctx context.Context, names []string, wake func(driver.Hint)) {
	call, cancel := context.WithTimeout(ctx, t.callTimeout())
	defer cancel()
	free, err := t.look(call, names)
	if err != nil {
		backoff.Sleep(ctx, backoff.Jitter(mostPause))
		return
	}
	for _, name := range free {
		wake(driver.Hint{Name: name})
	}
}

// callTimeout bounds a statement that nobody has given a bound.
func (t *Table) callTimeout() time.Duration { return keepalive.CallTimeout(t.cfg.Lease) }

// leastBeat is the shortest time between two renewals.
const leastBeat = 10 * time.Millisecond

// nextBeat returns when rows are to get a new RVN; zero: when the engine renews.
func (t *Table) nextBeat() time.Time {
	every := max(t.cfg.Heartbeat, leastBeat, t.cfg.Lease/100)
	if t.cfg.Heartbeat <= 0 || every >= keepalive.Interval(t.cfg.Lease)*2/3 || !t.any(anything) {
		return time.Time{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.beaten.Add(every)
}

func anything(*row) bool { return true }

// beatAll renews every row.
func (t *Table) beatAll(ctx context.Context) {
	call, cancel := context.WithTimeout(ctx, t.callTimeout())
	defer cancel()
	t.beating()
	_ = t.beat(call, anything) // the engine's renewals make up for a failure
}

// beating notes that rows are about to be renewed.
func (t *Table) beating() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.beaten = clock.Now()
}

// notices counts the rows that were lost.
func (t *Table) notices() (sum uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.leases {
		sum += l.notice
	}
	return sum
}

// sleep waits until the earlier of the two, or until somebody wakes us.
func (t *Table) sleep(ctx context.Context, poll, beat time.Time) {
	next := poll
	if next.IsZero() || !beat.IsZero() && beat.Before(next) {
		next = beat
	}
	left := time.Second
	if !next.IsZero() {
		left = min(left, max(clock.Until(next), 0))
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.poke:
	case <-ctx.Done():
	}
}
