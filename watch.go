package leasehold

import (
	"context"
	"maps"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// deafPoll is the pause between looks while no notifications arrive.
const deafPoll = 100 * time.Millisecond

// retryStep is what is added to the pause before a take-over is tried again.
const retryStep = 5 * time.Millisecond

// watch is the watcher. A look is one read of the rows waited for. It is made when a
// notification hints at a name, when a lease that is in the way should have been renewed
// or may be expired, and now and then in case a hint was lost.
func (w *waiting) watch() {
	tracker, epoch, streak := liveness.New(), uint64(0), 0
	next := w.client.firstLook() // the next look at every name
	for {
		look, ok := w.take(clock.Now(), next)
		if !ok {
			return
		}
		if len(look.names) == 0 {
			if look.all {
				next = clock.Now().Add(w.client.lookInterval(look.deaf))
			}
			w.sleep(sooner(next, look.later))
			continue
		}
		view, err := w.client.look(look.names)
		at := clock.Now()
		if err != nil {
			w.client.storeFailed("read", err)
			next = at
			backoff.Sleep(w.client.closing, backoff.Jitter(deafPoll))
			continue
		}
		if view.Epoch != epoch {
			tracker.Forget() // another incarnation: no earlier sighting counts
			epoch = view.Epoch
		}
		w.tell(look, view)
		changed, soon := w.client.clear(tracker, view, at)
		if look.all {
			tracker.Retain(view)
			next = at.Add(w.client.lookInterval(look.deaf))
		}
		if !soon.IsZero() && soon.Before(next) {
			next = soon
		}
		if streak++; !changed {
			streak = 0
		} else {
			// What a guard delays is tried again, a little later each time.
			next = at.Add(min(time.Duration(streak-1)*retryStep, deafPoll))
		}
	}
}

// lookInterval is how long the watcher goes without a look at every name. deaf: not all
// that it waits for would be told of.
func (c *Client) lookInterval(deaf bool) time.Duration {
	if deaf || !c.listening.Load() {
		return backoff.Jitter(deafPoll)
	}
	return c.cfg.TTL/6 + backoff.Jitter(c.cfg.TTL/100)
}

// notYet is how long an attempt is in the queue before its row is looked at, where
// notifications arrive. A hot lock has been passed on to it by then.
const notYet = 20 * time.Millisecond

// firstLook returns when to look at the row of an attempt that has just queued.
func (c *Client) firstLook() time.Time {
	if !c.listening.Load() {
		return clock.Now()
	}
	return clock.Now().Add(notYet)
}

// look is what one look is for.
type look struct {
	names    []string
	all      bool
	deaf     bool             // of some queued attempt's lease no notifications arrive
	later    time.Time        // when what is hinted at, and not yet looked at, is due; zero: nothing is
	attempts map[*attempt]int // those in the queue, with their leases' reads before the look
}

// take returns what to look at: everything if next has come, else what was hinted at. It
// reports false, and the watcher ends, if nobody waits: what it has seen of leases is
// of use to the next in a line.
func (w *waiting) take(now, next time.Time) (look, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) == 0 || w.client.closing.Err() != nil {
		w.running = false
		clear(w.hints)
		return look{}, false
	}
	l := look{all: w.all || !now.Before(next), attempts: map[*attempt]int{}}
	for name, a := range w.queued {
		l.deaf = l.deaf || a.fixed != 0
		due, hinted := w.hints[name]
		if l.all || hinted && !now.Before(due) {
			l.names = append(l.names, name)
			l.attempts[a] = a.lease.Reads()
			delete(w.hints, name)
		} else if hinted {
			l.later = sooner(l.later, due)
		}
	}
	maps.DeleteFunc(w.hints, func(name string, _ time.Time) bool { return w.queued[name] == nil })
	w.all = false
	return l, true
}

// sleep waits until the instant, or until a look is asked for.
func (w *waiting) sleep(until time.Time) {
	timer := time.NewTimer(clock.Sooner(max(clock.Until(until), 0)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.signal:
	case <-w.client.closing.Done():
	}
}

// tell gives each attempt the news that the view has for it.
func (w *waiting) tell(l look, view driver.View) {
	rows := make(map[string]*driver.Lock, len(view.Locks))
	for i := range view.Locks {
		rows[view.Locks[i].Name] = &view.Locks[i]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, reads := range l.attempts {
		if w.queued[a.Name] == a { // it may have left during the look
			w.show(a, rows[a.Name], reads, view)
		}
	}
}

// show tells an attempt in the queue what its row, nil if there is none, has shown. w.mu
// is held.
func (w *waiting) show(a *attempt, row *driver.Lock, reads int, view driver.View) {
	if row == nil {
		row = &driver.Lock{}
	}
	g, holds := row.GrantOf(a.Place())
	ahead := row.Ahead(a.Place())
	switch {
	case holds && keepalive.Marked(g):
		a.tell(news{what: revoked})
	case holds:
		a.tell(news{what: granted, fence: g.Fence, reads: reads})
	case ahead >= 0:
		a.ahead = ahead
		if ownMarked(row, a.Lease) {
			a.lease.Kick() // our own client holds it and is to give it up
		}
		seen := &HeldError{Name: a.Name}
		seen.see(row, view)
		a.owner.line.seen = seen
	default:
		a.tell(news{what: vanished})
	}
}

// ownMarked reports whether a grant of the lease's was revoked.
func ownMarked(row *driver.Lock, lease driver.ID) bool {
	for g := range row.Grants() {
		if g.Mark != nil && g.Lease == lease {
			return true
		}
	}
	return false
}

// look reads rows for the watcher.
func (c *Client) look(names []string) (driver.View, error) {
	call, cancel := context.WithTimeout(c.closing, c.callTimeout())
	defer cancel()
	return c.conn.Read(call, driver.Query{Names: names})
}

// clear ends the leases that the view, received at the instant at, shows to be
// dead, and takes over the locks they are in the way of. It reports whether rows
// may have changed, and when to look again.
func (c *Client) clear(tracker *liveness.Tracker, view driver.View, at time.Time) (changed bool, next time.Time) {
	rules := c.rules()
	suspects, next := tracker.Suspects(view, at, rules)
	var ended []driver.ID
	for _, s := range suspects {
		if c.endLease(s) {
			ended = append(ended, s.ID)
			c.expired(view.Leases[s.ID])
		}
	}
	for _, l := range view.Locks {
		gone := liveness.Gone(l, view, ended)
		over, soon := tracker.Over(l, view, at, rules)
		unserved, later := liveness.Unserved(l, at)
		if len(gone) > 0 || over != 0 || unserved {
			c.takeOver(l.Name, gone, over)
			changed = true
		}
		next = sooner(sooner(next, soon), later)
	}
	return changed || len(suspects) > 0, next
}

// sooner returns the earlier of two instants, of which either may be zero: never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (c *Client) endLease(s liveness.Suspect) bool {
	call, cancel := context.WithTimeout(c.closing, c.callTimeout())
	defer cancel()
	ended, err := c.conn.EndLease(call, s.ID, s.Grounds)
	if err != nil {
		c.storeFailed("end lease", err)
	}
	return err == nil && ended
}

func (c *Client) takeOver(name string, gone []driver.ID, over uint64) {
	call, cancel := context.WithTimeout(c.closing, c.callTimeout())
	defer cancel()
	if err := c.conn.TakeOver(call, name, gone, over); err != nil {
		c.storeFailed("take over", err)
	}
}

func (c *Client) expired(s driver.LeaseState) {
	c.cfg.Logger.Info("leasehold: ended the lease of a dead client", "owner", s.Owner, "host", s.Info.Host, "pid", s.Info.PID)
	if f := c.cfg.Observer.Expired; f != nil {
		f(s.Owner)
	}
}
