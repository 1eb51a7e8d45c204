package postgres

import (
	"context"

	"github.com/leaseholdgo/leasehold/driver"
)

// A statement that a pooler has taken over may begin, or go on, long after the connection
// it was sent on has ended: there is no server process to be ended that would end it too.
// So a command session whose process is lent has a seat: a row among the leases, under a
// random id that is never used again, held by nobody and named by no lock. Each of its
// transactions that may change something begins by locking that row to share. The session
// that follows a lost one first deletes the row, which waits for a transaction that has
// locked it; whatever comes later finds no row, and changes nothing.
//
// So the order of effects is the order of calls, without a clock and without knowing the
// process. What was read needs no order, and what a renewal does late only keeps a lease
// longer.

// sit gives the session a seat, where it needs one. While there are no tables there is
// none, and nothing that would need it.
func (l *link) sit(ctx context.Context) error {
	s := l.session
	if !l.ordered || s.lent == nil || !s.seat.IsZero() {
		return nil
	}
	seat := driver.NewID()
	_, err := s.Exec(ctx, l.dialer.sql.takeSeat, [16]byte(seat))
	if hasCode(err, codeUndefinedTable, codeInvalidSchema) {
		return nil
	}
	if err == nil {
		s.seat, s.backend.seat = seat, seat
	}
	return err
}

// endSeat takes the seat of a lost session away, and reports whether it is gone.
func (s *session) endSeat(ctx context.Context, sql *statements, seat driver.ID) (bool, error) {
	_, err := s.Exec(ctx, sql.leaveSeat, [16]byte(seat))
	if hasCode(err, codeLockTimeout) {
		return false, nil // a transaction is still in progress
	}
	return err == nil, err
}

// leave gives the session's own seat back, before it is closed.
func (l *link) leave(ctx context.Context) {
	if s := l.session; !s.seat.IsZero() && !s.IsClosed() {
		_, _ = s.reading().endSeat(ctx, l.dialer.sql, s.seat) // else it is swept some day
	}
}
