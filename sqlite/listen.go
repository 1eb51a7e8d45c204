package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

const (
	// waitingTick is how often a client looks that waits for a lock: it bounds
	// the delay of a hand-over between processes.
	waitingTick = 10 * time.Millisecond
	// idleTick is how often a client looks that waits for nothing, to learn of
	// revocations.
	idleTick = 200 * time.Millisecond
)

// listener looks for changes on a connection of its own. What it needs to know
// is few rows: those that its client waits for, and those marked as revoked.
type listener struct {
	c     *conn
	lease driver.ID
	wake  func(driver.Hint)
	kick  chan struct{} // holds one request to look at once, whatever the counter says
	lane  *lane

	stale   bool  // the rows must be read, whatever the counter says
	version int64 // the file's change counter, as this connection saw it
	notice  int64 // of our lease; -1 before the first look
	holders map[driver.ID]*holder
}

// Listen implements driver.Listener. SQLite has no notifications, so it looks at
// the file's change counter, and at the lock of the file of whoever holds what
// this client waits for. That costs one read, and one system call per holder.
func (c *conn) Listen(ctx context.Context, lease driver.ID, wake func(driver.Hint)) error {
	done := make(chan error, 1)
	if err := c.spawn(ctx, func() { done <- c.listen(ctx, lease, wake) }); err != nil {
		return err
	}
	return <-done
}

func (c *conn) listen(ctx context.Context, lease driver.ID, wake func(driver.Hint)) error {
	lane, err := newLane(c.path, readOnly)
	if err != nil {
		return classify(err)
	}
	defer lane.close()
	l := &listener{
		c: c, lease: lease, wake: wake, lane: lane,
		kick:  make(chan struct{}, 1),
		stale: true, notice: -1,
		holders: map[driver.ID]*holder{},
	}
	c.enlist(l)
	defer c.delist(l)
	wake(driver.Hint{})
	for {
		if err := l.look(); err != nil && !isBusy(err) {
			return classify(err)
		}
		tick := time.NewTimer(l.pause())
		select {
		case <-tick.C:
		case <-l.kick:
			tick.Stop()
			l.stale = true
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.life.Done():
			return errClosed
		}
	}
}

func (c *conn) enlist(l *listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners[l] = struct{}{}
}

func (c *conn) delist(l *listener) {
	c.mu.Lock()
	delete(c.listeners, l)
	c.mu.Unlock()
	for _, h := range l.holders {
		h.close()
	}
}

// expect notes that the attempt is queued, and makes its listener look at once.
func (c *conn) expect(a driver.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits[bare(a)] = struct{}{}
	for l := range c.listeners {
		if l.lease == a.Lease {
			select {
			case l.kick <- struct{}{}:
			default:
			}
		}
	}
}

// forget ends that: the attempt has left the queue, or gives up. It reports whether
// anybody waited for it still.
func (c *conn) forget(a driver.Attempt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, waited := c.waits[bare(a)]
	delete(c.waits, bare(a))
	return waited
}

// bare returns the attempt without its terms, which Release need not know.
func bare(a driver.Attempt) driver.Attempt {
	a.Terms = driver.Terms{}
	return a
}

// waiting returns the attempts of the listener's lease that are queued, as far as
// is known.
func (l *listener) waiting() []driver.Attempt {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	var all []driver.Attempt
	for a := range l.c.waits {
		if a.Lease == l.lease {
			all = append(all, a)
		}
	}
	return all
}

func (l *listener) pause() time.Duration {
	if len(l.waiting()) > 0 {
		return waitingTick
	}
	return idleTick
}

// look wakes the client for what changed since the last look. The counter is read
// before the rows, so a change in between is seen again rather than missed.
func (l *listener) look() error {
	var version int64
	if err := l.lane.row(`PRAGMA data_version`).Scan(&version); err != nil {
		return err
	}
	if l.stale || version != l.version {
		l.stale = true
		if err := l.read(); err != nil {
			return err
		}
		l.version, l.stale = version, false
	}
	l.probe()
	return nil
}

// read looks at the rows that matter, in one snapshot. What is waited for is
// listed before it is taken: in an older one an attempt is not yet queued.
func (l *listener) read() error {
	waiting := l.waiting()
	_, err := inTx(l.lane, func(tx *tx) (none struct{}, err error) {
		return none, errors.Join(l.revoked(tx), l.queued(tx, waiting))
	})
	return err
}

// queued looks at the locks waited for.
func (l *listener) queued(tx *tx, waiting []driver.Attempt) error {
	needed := map[driver.ID]bool{} // whether the lease has a row
	for _, a := range waiting {
		lock, err := tx.lock(a.Name)
		if err != nil {
			return err
		}
		if lock.Ahead(a.Place()) < 0 { // granted, or taken out of the queue
			if l.c.forget(a) {
				l.wake(driver.Hint{Name: a.Name})
			}
			continue
		}
		for g := range lock.Grants() {
			_, err = tx.lease(g.Lease)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			needed[g.Lease] = err == nil
		}
	}
	l.watch(needed)
	return nil
}

// revoked wakes the client for its marked locks when its lease's notice has
// changed, and for everything when the lease is gone.
func (l *listener) revoked(tx *tx) error {
	var notice int64
	err := tx.row(`SELECT notice FROM leasehold_lease WHERE id = ?`, l.lease[:]).Scan(&notice)
	if errors.Is(err, sql.ErrNoRows) {
		if l.notice >= 0 {
			l.notice = -1
			l.wake(driver.Hint{})
		}
		return nil
	}
	if err != nil || notice == l.notice {
		return err
	}
	marked, err := tx.rows(`SELECT `+columns+` FROM leasehold_lock WHERE holder_lease = ? AND mark_at IS NOT NULL`, l.lease[:])
	if err != nil {
		return err
	}
	crowds, err := tx.rows(`
		SELECT `+columns+` FROM leasehold_lock
		WHERE crowd IS NOT NULL AND instr(crowd, ?) > 0 AND instr(crowd, '"mark"') > 0`, l.lease.String())
	if err != nil {
		return err
	}
	for _, lock := range append(marked, crowds...) {
		l.wake(driver.Hint{Name: lock.Name})
	}
	l.notice = notice
	return nil
}
