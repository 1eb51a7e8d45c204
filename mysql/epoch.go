package mysql

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// meta is what the tables say about themselves, and the server's clock.
type meta struct {
	version, protocol, oldest int
	maxTTL                    int64 // ms
	grace                     bool
	epoch                     uint64
	server                    string
	seenAt                    int64 // µs
	granting                  bool
	clock                     int64 // µs
	same                      bool  // the epoch is that of the server that was asked
}

const metaColumns = `version, protocol, oldest_protocol, max_ttl_ms, grace, epoch, server, seen_at, granting, ` + clockSQL

func (m *meta) targets() []any {
	return []any{
		&m.version, &m.protocol, &m.oldest, &m.maxTTL, &m.grace, &m.epoch, &m.server, &m.seenAt, &m.granting, &m.clock,
	}
}

func (m *meta) now() time.Time { return time.UnixMicro(m.clock) }

// longest returns the longest TTL that a lease may have.
func (m *meta) longest() time.Duration { return time.Duration(m.maxTTL) * time.Millisecond }

// readMeta returns a version of 0 if the row is missing.
func (c *conn) readMeta(ctx context.Context, s *session) (m meta, err error) {
	err = s.run(ctx, statement{"SELECT " + metaColumns + " FROM " + c.t.meta, row(m.targets()...)})
	m.same = m.server == s.server
	s.grants(m)
	return m, err
}

// grants notes whether the session's server grants, and in which epoch.
func (s *session) grants(m meta) {
	s.epoch = 0
	if m.same && m.granting {
		s.epoch = m.epoch
	}
}

// recordEpoch records the server that s is connected to, unless another client did so
// first, and returns the number of the epoch. From that moment on nothing is granted, unless
// it is the very first or grace is turned off. (The columns are set one after the other, so
// the number comes last.) The number follows the clock: two replicas that are promoted in
// turn give different ones.
func (c *conn) recordEpoch(ctx context.Context, s *session) (uint64, error) {
	err := s.run(ctx, plain("UPDATE "+c.t.meta+" SET granting = IF(epoch = 0 OR grace = 0, 1, 0), seen_at = "+clockSQL+
		", server = "+bytesSQL(s.server)+", epoch = GREATEST(epoch + 1, "+clockSQL+
		") WHERE one = 1 AND server <> "+bytesSQL(s.server))...)
	if err != nil {
		return 0, err
	}
	m, err := c.readMeta(ctx, s)
	return m.epoch, err
}

// endPause puts right what has kept changes from granting, where that can be done: it
// records a new incarnation, and lets it grant when the time for that has come. Changes that
// may then be made it marks to be made again.
func (c *conn) endPause(ctx context.Context, s *session, changes []*change) error {
	for _, ch := range changes {
		if ch.state != paused {
			continue
		}
		left, again, err := c.resume(ctx, s, ch.meta)
		for _, ch := range changes {
			ch.left, ch.again = left, again
		}
		return err
	}
	return nil
}

// resume reports whether granting may have begun again, and how long it takes at most
// until it does.
func (c *conn) resume(ctx context.Context, s *session, m meta) (left time.Duration, again bool, err error) {
	at := clock.Now()
	if !m.same {
		_, err := c.recordEpoch(ctx, s)
		return 0, true, err
	}
	longest := m.longest()
	c.mu.Lock()
	watched, left := c.grace.Over(m.epoch, longest, at), c.grace.Left(longest, at)
	c.mu.Unlock()
	overdue := "0"
	if t, ok := liveness.GraceTolerance(c.tolerance, longest); ok {
		age := time.Duration(m.clock-m.seenAt) * time.Microsecond
		left = min(left, max(longest+t-age, 0))
		ms := t.Milliseconds() + 1 // no sooner than asked
		overdue = clockSQL + " > seen_at + (max_ttl_ms + " + number(ms) + ") * 1000"
	}
	if !watched && (overdue == "0" || left > 0) {
		return left, false, nil
	}
	// The condition is judged on the newest version: an incarnation recorded meanwhile
	// stays paused.
	err = s.run(ctx, plain("UPDATE "+c.t.meta+" SET granting = 1 WHERE one = 1 AND granting = 0 AND epoch = "+number(m.epoch)+
		" AND server = "+bytesSQL(s.server)+" AND ("+boolean(watched)+" OR "+overdue+")")...)
	return 0, true, err
}

// pausedError says that nothing is granted now. It passes.
type pausedError struct{ left time.Duration }

func (e *pausedError) Error() string {
	const why = "the database was failed over or restored, so nothing is granted until all locks from before have run out"
	if e.left == 0 {
		return why
	}
	return fmt.Sprintf("%s, for another %v at the most", why, e.left.Round(time.Second))
}
