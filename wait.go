package leasehold

import (
	"context"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// waiting is all attempts of a client that are in a queue, and the one goroutine,
// the watcher, that looks on behalf of all of them. It runs while there are any.
//
// A look is one read of the rows waited for. It is made when a notification hints
// at a name, when a lease that is in the way should have been renewed or may be
// expired, and now and then in case a hint was lost.
type waiting struct {
	client *Client
	signal chan struct{} // holds one request to look

	mu       sync.Mutex // guards the fields below
	attempts map[string]map[*attempt]struct{}
	hints    map[string]struct{} // names to look at
	all      bool                // look at every name
	running  bool
}

// deafPoll is the pause between looks while no notifications arrive.
const deafPoll = 100 * time.Millisecond

// retryStep is what is added to the pause before a take-over is tried again.
const retryStep = 5 * time.Millisecond

func newWaiting(c *Client) *waiting {
	return &waiting{
		client:   c,
		signal:   make(chan struct{}, 1),
		attempts: map[string]map[*attempt]struct{}{},
		hints:    map[string]struct{}{},
	}
}

// add registers an attempt before it is sent, so that no hint is missed.
func (w *waiting) add(a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.attempts[a.Name] == nil {
		w.attempts[a.Name] = map[*attempt]struct{}{}
	}
	w.attempts[a.Name][a] = struct{}{}
}

func (w *waiting) remove(a *attempt) {
	w.mu.Lock()
	delete(w.attempts[a.Name], a)
	if len(w.attempts[a.Name]) == 0 {
		delete(w.attempts, a.Name)
	}
	none := len(w.attempts) == 0
	w.mu.Unlock()
	if none {
		w.poke()
	}
}

// enqueued says that the store has put a into the queue, as row shows. The caller
// is an acquisition in progress.
func (w *waiting) enqueued(a *attempt, row driver.Lock) {
	w.mu.Lock()
	a.queued = true
	if a.request.seen == nil {
		a.request.seen = &HeldError{Name: a.Name, Fence: row.Fence}
	}
	w.hints[a.Name] = struct{}{}
	if !w.running {
		w.running = true
		w.client.tasks.Go(w.watch)
	}
	w.mu.Unlock()
	w.poke()
}

// hint asks for a look at name, or at every name if it is empty. It reports
// whether somebody waits for name.
func (w *waiting) hint(name string) bool {
	w.mu.Lock()
	_, wanted := w.attempts[name]
	if wanted {
		w.hints[name] = struct{}{}
	}
	w.all = w.all || name == ""
	w.mu.Unlock()
	if wanted || name == "" {
		w.poke()
	}
	return wanted
}

// granted tells the attempt that the hint names of its grant. It reports whether
// there was one.
func (w *waiting) granted(lease *keepalive.Lease, hint driver.Hint) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.attempts[hint.Name] {
		if a.Ticket == hint.Ticket && a.lease == lease {
			a.tell(news{fence: hint.Fence, reads: a.reads})
			return true
		}
	}
	return false
}

func (w *waiting) poke() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// watch is the watcher.
func (w *waiting) watch() {
	tracker, epoch, streak := liveness.New(), uint64(0), 0
	next := clock.Now() // the next look at every name
	for {
		look, ok := w.take(!clock.Now().Before(next))
		if !ok {
			return
		}
		if len(look.names) == 0 {
			w.sleep(next)
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
			next = at.Add(w.client.lookInterval())
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

// lookInterval is how long the watcher goes without a look at every name.
func (c *Client) lookInterval() time.Duration {
	if !c.listening.Load() {
		return backoff.Jitter(deafPoll)
	}
	return c.cfg.TTL/6 + backoff.Jitter(c.cfg.TTL/100)
}

// look is what one look is for.
type look struct {
	names    []string
	all      bool
	attempts map[*attempt]int // those in the queue, with their leases' reads before the look
}

// take returns what to look at: everything if due, else what was hinted at. It
// reports false, and the watcher ends, if nobody waits.
func (w *waiting) take(due bool) (look, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.attempts) == 0 || w.client.closing.Err() != nil {
		w.running = false
		return look{}, false
	}
	l := look{all: due || w.all, attempts: map[*attempt]int{}}
	for name, attempts := range w.attempts {
		if _, hinted := w.hints[name]; !hinted && !l.all {
			continue
		}
		l.names = append(l.names, name)
		for a := range attempts {
			if a.queued {
				l.attempts[a] = a.lease.Reads()
			}
		}
	}
	clear(w.hints)
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
		if _, waits := w.attempts[a.Name][a]; !waits {
			continue // it left during the look; its request is no longer ours to write to
		}
		row := rows[a.Name]
		switch {
		case row != nil && row.HeldBy(a.Place()) && keepalive.Revoked(row):
			a.tell(news{revoked: true})
		case row != nil && row.HeldBy(a.Place()):
			a.tell(news{fence: row.Fence, reads: reads})
		case row != nil && row.Ahead(a.Place()) >= 0:
			if row.Mark != nil && row.Holder.Lease == a.Lease {
				a.lease.Kick() // our own client holds it and is to give it up
			}
			a.request.seen = &HeldError{Name: a.Name, Fence: row.Fence, Holder: holder(*row, view)}
		default:
			a.queued = false // until it is asked for again
			a.tell(news{vanished: true})
		}
	}
}

// tell leaves news for an attempt that has not taken the last yet.
func (a *attempt) tell(n news) {
	select {
	case a.news <- n:
	default:
	}
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
		if len(gone) > 0 || over != 0 {
			c.takeOver(l.Name, gone, over)
			changed = true
		}
		if !soon.IsZero() && (next.IsZero() || soon.Before(next)) {
			next = soon
		}
	}
	return changed || len(suspects) > 0, next
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
