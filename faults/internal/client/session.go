package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// session is one client of the library, from Open to Close.
type session struct {
	*process
	name   string
	client *leasehold.Client
	waits  waits
}

func (p *process) open(ctx context.Context, nth int) (*session, error) {
	s := &session{process: p, name: fmt.Sprintf("%s.%d", p.cfg.Process, nth)}
	s.record(history.Event{Kind: history.Opened})
	client, err := leasehold.Open(ctx, p.database.Store(), leasehold.Config{
		TTL: p.cfg.TTL, Owner: s.name, Tolerance: p.cfg.Tolerance,
		Observer: leasehold.Observer{Queued: s.queued},
	})
	s.client = client
	return s, err
}

// queued records that an acquisition is in the queue, if it is sure which.
func (s *session) queued(name string, _ int) {
	if op, sure := s.waits.only(name); sure {
		s.record(history.Event{Kind: history.Queued, Op: op, Name: name})
	}
}

func (s *session) close() {
	s.record(history.Event{Kind: history.Closing})
	err := s.client.Close()
	s.record(history.Event{Kind: history.Closed, Detail: describe(err)})
}

// record records an event of this client.
func (s *session) record(e history.Event) {
	e.Client = s.name
	s.history.Record(e)
}

// describe names the kind of an error; it is empty for none.
func describe(err error) string {
	if err == nil {
		return ""
	}
	if errors.Is(err, leasehold.ErrMode) {
		return history.OtherMode
	}
	for _, kind := range []error{
		leasehold.ErrLost, leasehold.ErrHeld, leasehold.ErrClosed, leasehold.ErrNotHeld,
		leasehold.ErrUnavailable, leasehold.ErrOutcomeUnknown,
		context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return err.Error()
}
