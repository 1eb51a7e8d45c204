package postgres

import (
	"cmp"
	"context"
)

// Batches that are large are sent before the results of earlier ones have come: so the
// server has always one at hand, while the callers of others are told, and ask again. They
// are transactions of one session, one after the other, as if nobody had hurried, and the
// calls in progress are of different names.

const (
	inFlight = 2  // batches sent at a time
	inTurn   = 16 // batches of one turn: others may wait for that
	flow     = 32 // calls that make such a batch
)

// flight is a batch that was sent: calls, or nothing but what tells of hand-overs.
type flight struct {
	calls     []*call
	questions []question
}

// stream makes calls as common does, and more that arrive meanwhile if these are many.
type stream struct {
	*turn
	pipe    *pipe
	flights []flight
	sent    int // batches, of this turn
	many    bool
	left    []*call
	bad     []*call // of batches that the server has refused
	refusal error   // the last one
}

func (t *turn) stream(ctx context.Context, calls []*call) (left, bad []*call, err error) {
	pipe, err := t.session.pipe(ctx, t.sql.batchPass, t.sql.batchGrant, t.sql.notify)
	if err != nil {
		return nil, nil, err
	}
	s := &stream{turn: t, pipe: pipe, many: len(calls) >= flow}
	err = s.run(calls)
	pipe.close(ctx, cmp.Or(err, s.refusal))
	return s.left, s.bad, err
}

func (s *stream) run(calls []*call) error {
	if err := s.send(calls); err != nil {
		return err
	}
	for len(s.flights) > 0 {
		if err := s.fill(); err != nil {
			return err
		}
		if err := s.receive(); err != nil {
			return err
		}
	}
	return nil
}

// fill sends what there is, as long as nothing waits for the end of the stream.
func (s *stream) fill() error {
	if len(s.untold) > 0 {
		if err := s.fly(flight{questions: []question{s.telling()}}); err != nil {
			return err
		}
	}
	for s.many && s.sent < inTurn && len(s.flights) < inFlight && len(s.left)+len(s.bad) == 0 {
		calls := s.conn.take()
		if len(calls) == 0 {
			return nil
		}
		if err := s.send(calls); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) send(calls []*call) error {
	s.sent++
	return s.fly(flight{calls, s.questions(calls)})
}

func (s *stream) fly(f flight) error {
	s.flights = append(s.flights, f)
	return s.pipe.send(f.questions)
}

// receive waits for the end of the first batch. Its callers are told after the next one was
// sent.
func (s *stream) receive() error {
	f, untold := s.flights[0], len(s.untold)
	s.flights = s.flights[1:]
	err := s.pipe.receive(f.questions)
	if refused(err) && !s.session.IsClosed() {
		s.undone(f.calls, untold)
		s.bad = append(s.bad, f.calls...)
		s.refusal = err
		return nil
	}
	if err == nil && s.session.unsure.Load() {
		err = errUnsure
	}
	if err != nil {
		return err
	}
	s.left = append(s.left, s.turn.left(f.calls)...)
	if err := s.fill(); err != nil {
		return err
	}
	if s.many {
		s.conn.settled()
	}
	return nil
}
