package leasehold

import (
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// waiting is all acquisitions of a client that are in progress, and what of them is in
// the database's queues. One goroutine, the watcher, looks at those queues on behalf of
// all; it runs from when something is in them until nobody waits.
//
// mu may be held when a method of a lease is called, never the other way round.
type waiting struct {
	client *Client
	signal chan struct{} // holds one request to look

	mu      sync.Mutex // guards the fields below, and those of lines, attempts and requests
	lines   map[string]*line
	tries   map[*line]struct{}     // lines of one, who only tries
	tickets map[driver.ID]struct{} // of attempts of which something may be stored
	queued  map[string]*attempt    // those in the database's queue: one for a name
	hints   map[string]time.Time   // names to look at, and from when on
	all     bool                   // look at every name
	running bool
}

func newWaiting(c *Client) *waiting {
	return &waiting{
		client:  c,
		signal:  make(chan struct{}, 1),
		lines:   map[string]*line{},
		tries:   map[*line]struct{}{},
		tickets: map[driver.ID]struct{}{},
		queued:  map[string]*attempt{},
		hints:   map[string]time.Time{},
	}
}

// placeOf returns the attempt that r was left by the one before it, or nil.
func (w *waiting) placeOf(r *request) *attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return r.line.place
}

// outlook returns what the line of r has seen.
func (w *waiting) outlook(r *request) (seen *HeldError, trouble error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return r.line.seen, r.line.trouble
}

// step returns what has happened to the attempt since the last time. If nothing has,
// and nothing is on its way, it sends the attempt.
func (w *waiting) step(a *attempt) (n news) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case a.reply.what != nothing:
		n, a.reply = a.reply, news{}
	case a.calling:
	case a.queued && a.news.what != nothing:
		n, a.news = a.news, news{}
		w.unqueue(a)
	case !a.queued:
		w.send(a)
	}
	return n
}

// send sends the attempt. w.mu is held.
func (w *waiting) send(a *attempt) {
	w.tickets[a.Ticket] = struct{}{}
	a.owner.line.place = a // before it is sent, so that no hint is missed
	a.sent = a.lease.Reads()
	a.calling, a.clean, a.news = true, false, news{}
	w.client.tasks.Add(1)
	a.start()
}

// answered notes the reply to a call of Acquire. It reports false if the attempt was
// abandoned meanwhile.
func (w *waiting) answered(a *attempt, row *driver.Lock, n news) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	a.calling = false
	a.clean = n.what == refused || n.what == disagrees
	if a.owner == nil {
		return false
	}
	a.reply = n
	if n.what != failed {
		a.owner.line.trouble = nil
	}
	if n.what == queued {
		w.enqueue(a, row, n.ahead)
	}
	a.owner.poke()
	return true
}

// enqueue notes that the store has put a into the queue, as row shows. w.mu is held.
func (w *waiting) enqueue(a *attempt, row *driver.Lock, ahead int) {
	a.queued, a.ahead = true, ahead
	w.queued[a.Name] = a
	if l := a.owner.line; l.seen == nil {
		l.seen = &HeldError{Name: a.Name, Fence: row.Fence}
	}
	w.hints[a.Name] = w.client.firstLook()
	if !w.running {
		w.running = true
		w.client.tasks.Go(w.watch)
	}
	w.poke()
}

// unqueue notes that a is not in the queue, or that it does not matter any more. w.mu is
// held.
func (w *waiting) unqueue(a *attempt) {
	if a.queued {
		a.queued = false
		delete(w.queued, a.Name)
	}
}

// disown makes a nobody's. It reports whether it is the caller's to discard; else the
// call in flight does it.
func (w *waiting) disown(a *attempt) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := a.owner.line; l.place == a {
		l.place = nil
	}
	a.owner = nil
	w.unqueue(a)
	return !a.calling
}

// tell leaves news for an attempt that has not taken the last yet. waiting.mu is held.
func (a *attempt) tell(n news) {
	if a.news.what == nothing {
		a.news = n
		a.owner.poke()
	}
}

// hint asks for a look at name, or at every name if it is empty. It reports
// whether somebody waits for name.
func (w *waiting) hint(name string) bool {
	w.mu.Lock()
	_, wanted := w.lines[name]
	if wanted {
		w.hints[name] = clock.Now()
	}
	w.all = w.all || name == ""
	w.mu.Unlock()
	if wanted || name == "" {
		w.poke()
	}
	return wanted
}

func (w *waiting) poke() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}
