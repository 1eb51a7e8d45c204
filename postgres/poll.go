package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

const (
	// hotTick and coldTick bound how often a client looks that waits for a lock and gets
	// no notifications: often where locks are passed on quickly, and more seldom the
	// longer it has waited. They bound the delay of a hand-over between processes.
	hotTick  = 5 * time.Millisecond
	coldTick = 100 * time.Millisecond
	// idleTick is how often a client looks that waits for nothing, to learn of revocations
	// before its next renewal tells.
	idleTick = time.Second
)

// queued are the attempts of a Conn that are queued, as far as is known. It is safe for
// concurrent use.
type queued struct {
	mu    sync.Mutex // guards the fields below
	queue map[driver.Attempt]struct{}
	news  chan struct{} // closed, and replaced, when an attempt is queued
}

func newQueued() *queued {
	return &queued{queue: map[driver.Attempt]struct{}{}, news: make(chan struct{})}
}

// expect notes that the attempt is queued, and makes listeners look at once.
func (w *queued) expect(a driver.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a.Terms = driver.Terms{}
	if _, known := w.queue[a]; known {
		return
	}
	w.queue[a] = struct{}{}
	close(w.news)
	w.news = make(chan struct{})
}

// forget ends that: the attempt has left the queue, or gives up. It reports whether anybody
// waited for it still.
func (w *queued) forget(a driver.Attempt) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	a.Terms = driver.Terms{}
	_, waited := w.queue[a]
	delete(w.queue, a)
	return waited
}

// of returns the attempts of the lease, and what is closed when there is another one.
func (w *queued) of(lease driver.ID) ([]driver.Attempt, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []driver.Attempt
	for a := range w.queue {
		if a.Lease == lease {
			all = append(all, a)
		}
	}
	return all, w.news
}

// poller looks for one lease.
type poller struct {
	waits   *queued
	session *session
	sql     *statements
	lease   driver.ID
	wake    func(driver.Hint)
	event   time.Time // when something happened last
	notice  uint64    // of the lease, as it was seen last
}

// run looks until ctx ends: with one statement that finds rows by their key, and says only
// which of the lease's attempts have left their queues.
func (p *poller) run(ctx context.Context) error {
	p.event = time.Now()
	for first := true; ; first = false {
		waiting, news := p.waits.of(p.lease)
		if err := p.look(ctx, waiting); err != nil {
			return err
		}
		if first {
			p.wake(driver.Hint{})
		}
		tick := time.NewTimer(p.pause(len(waiting) > 0))
		select {
		case <-tick.C:
		case <-news:
			p.event = time.Now()
		case <-ctx.Done():
			tick.Stop()
			return ctxError(ctx)
		}
		tick.Stop()
	}
}

func (p *poller) pause(waiting bool) time.Duration {
	if !waiting {
		return idleTick
	}
	return min(max(time.Since(p.event)/10, hotTick), coldTick)
}

// patienceOfLook bounds one look.
const patienceOfLook = 5 * time.Second

// look wakes the client for what has changed since the last look. A grant that it sees was
// committed, and is on the disk: the server shows no other.
func (p *poller) look(ctx context.Context, waiting []driver.Attempt) error {
	ctx, cancel := context.WithTimeout(ctx, patienceOfLook)
	defer cancel()
	names, tickets := make([]string, len(waiting)), make([][16]byte, len(waiting))
	for i, a := range waiting {
		names[i], tickets[i] = a.Name, a.Ticket
	}
	rows, err := p.session.reading().Query(ctx, p.sql.look, [16]byte(p.lease), names, tickets)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var notice, n, fence *int64
		if err := rows.Scan(&notice, &n, &fence); err != nil {
			return err
		}
		if n != nil {
			p.departed(waiting[*n-1], fence)
		}
		p.noticed(notice, waiting)
	}
	return rows.Err()
}

// noticed compares the lease's notice with what it was. Where the lease has ended, so have
// its attempts.
func (p *poller) noticed(notice *int64, waiting []driver.Attempt) {
	switch {
	case notice == nil:
		for _, a := range waiting {
			p.waits.forget(a)
		}
	case uint64(*notice) != p.notice:
		p.notice = uint64(*notice)
		p.wake(driver.Hint{})
	}
}

// departed tells of an attempt that has left its queue; fence is that of its grant, if it
// holds alone and was not revoked.
func (p *poller) departed(a driver.Attempt, fence *int64) {
	p.event = time.Now()
	if !p.waits.forget(a) {
		return // it was released meanwhile
	}
	hint := driver.Hint{Name: a.Name}
	if fence != nil {
		hint.Ticket, hint.Fence = a.Ticket, uint64(*fence)
	}
	p.wake(hint)
}
