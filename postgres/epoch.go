package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// maxRecords bounds how often one call records a new incarnation, or ends a pause in
// granting, and tries again. Once is enough unless the database is failed over within
// the call.
const maxRecords = 3

// standing is what a statement that grants found of the incarnation it ran on.
type standing struct {
	same     bool // it is the one on record
	granting bool
}

// recordEpoch records the incarnation that s is connected to, unless another
// client did so first, and returns its number.
func (s *session) recordEpoch(ctx context.Context, sql *statements) (uint64, error) {
	if _, err := s.Exec(ctx, sql.recordEpoch, s.system); err != nil {
		return 0, err
	}
	m, err := s.readMeta(ctx, sql)
	return m.epoch, err
}

// belongs notes the number on record, if it is that of the session's incarnation.
func (s *session) belongs(number uint64, same bool) {
	s.epoch = 0
	if same {
		s.epoch = int64(number)
	}
}

// granting runs attempt, a statement that grants, until it reports that it is done. If
// it is not, because the incarnation is not the one on record, or grants nothing though
// it may by now, that is put right first. It returns a *pausedError while nothing is
// granted.
func (c *conn) granting(ctx context.Context, s *session, sql *statements, attempt func() (done bool, on standing, err error)) error {
	for range maxRecords {
		done, on, err := attempt()
		if err != nil || done {
			return err
		}
		if !on.same {
			_, err = s.recordEpoch(ctx, sql)
		} else {
			err = c.endGrace(ctx, s, sql)
		}
		if err != nil {
			return err
		}
	}
	return &pausedError{}
}

// endGrace lets the incarnation grant if the time for it has come.
func (c *conn) endGrace(ctx context.Context, s *session, sql *statements) error {
	m, err := s.readMeta(ctx, sql)
	at := clock.Now()
	if err != nil || m.granting || !m.same {
		return err
	}
	longest := m.longest()
	c.mu.Lock()
	watched, left := c.grace.Over(m.epoch, longest, at), c.grace.Left(longest, at)
	c.mu.Unlock()
	var tolerance *int64
	if t, ok := liveness.GraceTolerance(c.tolerance, longest); ok {
		ms := t.Milliseconds() + 1 // no sooner than asked
		tolerance = &ms
		left = min(left, max(longest+t-m.age, 0))
	}
	if !watched && (tolerance == nil || left > 0) {
		return &pausedError{left}
	}
	_, err = s.Exec(ctx, sql.endGrace, int64(m.epoch), watched, tolerance, s.system)
	return err
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

// meta is what the schema says about itself.
type meta struct {
	version, protocol, oldest int
	maxTTL                    int64 // ms
	epoch                     uint64
	granting                  bool
	age                       time.Duration // since the epoch was recorded, by the server's clock
	same                      bool          // the epoch is that of this server
}

// longest returns the longest TTL that a lease may have.
func (m meta) longest() time.Duration { return time.Duration(m.maxTTL) * time.Millisecond }

// readMeta returns pgx.ErrNoRows, wrapped, if the rows are missing.
func (s *session) readMeta(ctx context.Context, sql *statements) (meta, error) {
	var m meta
	var age int64
	err := s.reading().QueryRow(ctx, sql.readMeta, s.system).
		Scan(&m.version, &m.protocol, &m.oldest, &m.maxTTL, &m.epoch, &m.granting, &age, &m.same)
	m.age = microseconds(age)
	return m, err
}
