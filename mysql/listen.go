package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

const (
	// hotTick and coldTick bound how often a client looks that waits for a lock: often
	// where locks are passed on quickly, and more seldom the longer it has waited. They
	// bound the delay of a hand-over between processes.
	hotTick  = 5 * time.Millisecond
	coldTick = 50 * time.Millisecond
	// idleTick is how often a client looks that waits for nothing, to learn of revocations
	// before its next renewal tells.
	idleTick = 500 * time.Millisecond
	// patienceOfLook bounds one look.
	patienceOfLook = 5 * time.Second
)

// Listen implements driver.Listener. The servers have no notifications, so it looks: one
// round trip, on a connection of its own, which finds rows by their key, and says only
// which of the lease's attempts have left their queues. Looks are 5 to 50 ms apart while
// attempts of the lease wait, a tenth of the time since the last of them came or was
// granted; otherwise 500 ms.
func (c *conn) Listen(ctx context.Context, lease driver.ID, wake func(driver.Hint)) error {
	l := &listener{c: c, lease: lease, wake: wake, event: time.Now(), notice: -1}
	first := true
	for {
		waiting, news := c.waiting(lease)
		if err := l.look(ctx, waiting); err != nil {
			return err
		}
		if first {
			wake(driver.Hint{})
			first = false
		}
		tick := time.NewTimer(l.pause(len(waiting) > 0))
		select {
		case <-tick.C:
		case <-news:
			l.event = time.Now()
		case <-ctx.Done():
			tick.Stop()
			return ctxError(ctx)
		case <-c.ctx.Done():
			tick.Stop()
			return errClosed
		}
		tick.Stop()
	}
}

// listener looks for one lease.
type listener struct {
	c      *conn
	lease  driver.ID
	wake   func(driver.Hint)
	event  time.Time // when something happened last
	notice int64     // of the lease; -1: not seen
}

func (l *listener) pause(waiting bool) time.Duration {
	if !waiting {
		return idleTick
	}
	return min(max(time.Since(l.event)/10, hotTick), coldTick)
}

// departed is an attempt that has left its queue.
type departed struct {
	driver.Attempt
	fence uint64 // of its grant, if it holds alone and is not revoked; else 0
}

// look wakes the client for what has changed since the last look.
func (l *listener) look(ctx context.Context, waiting []driver.Attempt) error {
	ctx, cancel := context.WithTimeout(ctx, patienceOfLook)
	defer cancel()
	var notice sql.NullInt64
	var gone []departed
	err := l.c.on(ctx, l.c.listen, func(ctx context.Context, s *session) error {
		script := []statement{{"SELECT notice FROM " + l.c.t.lease + " WHERE id = " + idSQL(l.lease), row(&notice)}}
		if len(waiting) > 0 {
			script = append(script, statement{l.c.t.departedSQL(waiting), func(r *sql.Rows) (err error) {
				gone, err = appendDeparted(gone, r, waiting)
				return err
			}})
		}
		if err := s.run(ctx, script...); err != nil || len(gone) == 0 {
			return err
		}
		return s.run(ctx, plain(l.c.t.flushSQL())...)
	})
	if err != nil {
		return err
	}
	l.tell(notice, gone)
	return nil
}

func (l *listener) tell(notice sql.NullInt64, gone []departed) {
	now := int64(-1)
	if notice.Valid {
		now = notice.Int64
	}
	if l.notice >= 0 && now != l.notice || l.notice < 0 && now > 0 {
		l.wake(driver.Hint{})
	}
	l.notice = now
	for _, d := range gone {
		l.event = time.Now()
		if !l.c.forget(d.Attempt) {
			continue // it was released meanwhile
		}
		hint := driver.Hint{Name: d.Name}
		if d.fence != 0 {
			l.c.acquired(d.Attempt, &driver.Lock{Holder: d.Place()})
			hint.Ticket, hint.Fence = d.Ticket, d.fence
		}
		l.wake(hint)
	}
}

// departedSQL finds, by their keys, the rows whose queue lacks an attempt.
func (t tables) departedSQL(waiting []driver.Attempt) string {
	var conditions []string
	for _, a := range waiting {
		conditions = append(conditions, "name = "+bytesSQL(a.Name)+" AND LOCATE("+idSQL(a.Ticket)+", queue) = 0")
	}
	return "SELECT name, fence, holder_ticket, marked_at, queue FROM " + t.lock + " WHERE " + strings.Join(conditions, " OR ")
}

// appendDeparted adds the attempts that are not in the row's queue.
func appendDeparted(gone []departed, r *sql.Rows, waiting []driver.Attempt) ([]departed, error) {
	var name, ticket, queue []byte
	var fence int64
	var marked sql.NullInt64
	if err := r.Scan(&name, &fence, &ticket, &marked, &queue); err != nil {
		return gone, err
	}
	for _, a := range waiting {
		if a.Name != string(name) || bytes.Contains(queue, a.Ticket[:]) {
			continue
		}
		d := departed{Attempt: a}
		if bytes.Equal(ticket, a.Ticket[:]) && !marked.Valid {
			d.fence = uint64(fence)
		}
		gone = append(gone, d)
	}
	return gone, nil
}

// expect notes that the attempt is queued, and makes listeners look at once.
func (c *conn) expect(a driver.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.Terms = driver.Terms{}
	if _, known := c.waits[a]; known {
		return
	}
	c.waits[a] = struct{}{}
	close(c.news)
	c.news = make(chan struct{})
}

// forget ends that: the attempt has left the queue, or gives up. It reports whether
// anybody waited for it still.
func (c *conn) forget(a driver.Attempt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.Terms = driver.Terms{}
	_, waited := c.waits[a]
	delete(c.waits, a)
	return waited
}

// waiting returns the attempts of the lease that are queued, as far as is known, and what
// is closed when another one is.
func (c *conn) waiting(lease driver.ID) ([]driver.Attempt, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []driver.Attempt
	for a := range c.waits {
		if a.Lease == lease {
			all = append(all, a)
		}
	}
	return all, c.news
}
