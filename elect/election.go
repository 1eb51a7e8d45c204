package elect

import (
	"context"
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold"
)

// Election is one office to be filled. It is safe for concurrent use and holds
// nothing: it need not be closed. Everybody who names the same lock in the same
// database takes part in the same election, "leasehold elect" included; so does
// whoever acquires the lock otherwise.
type Election struct {
	client *leasehold.Client
	name   string
}

// New returns the election of that name. It does no I/O. The client stays the
// caller's. An error matches [leasehold.ErrInvalid]: the name is none of a lock.
func New(client *leasehold.Client, name string) (*Election, error) {
	if err := leasehold.CheckName(name); err != nil {
		return nil, fmt.Errorf("elect: %w", err)
	}
	return &Election{client: client, name: name}, nil
}

// Name returns the name of the election, which is that of the lock.
func (e *Election) Name() string { return e.name }

// Campaign waits until this candidate is elected, first come first served, and
// returns its term. The caller closes it.
//
// ctx bounds the candidacy only, not the term: when it ends, Campaign returns at
// once, the candidate has left the queue, and the error matches ctx's error, and
// [leasehold.ErrHeld], naming the leader last seen, if it was in the queue. Outages of
// the database are ridden out until ctx ends; an error that no waiting can cure
// is returned at once. [leasehold.ErrClosed]: the client was closed.
//
// Several campaigns of one client are several candidates: one that leads and
// campaigns again waits for its own resignation.
//
// It costs what [leasehold.Client.Acquire] does: one round trip and one commit when
// nobody leads; waiting holds no connection.
func (e *Election) Campaign(ctx context.Context) (*Term, error) {
	lock, err := e.client.Acquire(ctx, e.name, leasehold.Fenced())
	if err != nil {
		return nil, err
	}
	return &Term{lock: lock}, nil
}

// RequestResign asks the present leader to step down, for a reason that it is
// shown: the context of its term ends with a [*leasehold.RevokedError] as soon as it
// learns of it, by notification or at its next renewal. The next candidate is
// elected when the leader has let go ([Term.Resign], [Term.Close]), or has died, or
// its TTL has passed. RequestResign does not wait for that. Who was asked may
// campaign again.
//
// Nil: the leader was asked, by this call or one before, or has left meanwhile.
// An error that matches [leasehold.ErrNotHeld]: nobody leads; nothing was changed.
// One that matches [leasehold.ErrOutcomeUnknown]: the request may have been stored or
// not; asking again may hit the successor. To ask the leader of one certain term
// and no other, give the term to [leasehold.Client.Revoke].
//
// One read, then one round trip and one commit. The reason: at most 255 bytes of
// printable UTF-8.
func (e *Election) RequestResign(ctx context.Context, reason string) error {
	now, err := e.Leader(ctx)
	if err != nil {
		return err
	}
	if now.Leader == nil {
		return fmt.Errorf("elect: nobody leads %q: %w", e.name, leasehold.ErrNotHeld)
	}
	err = e.client.Revoke(ctx, e.name, now.Term, reason)
	if errors.Is(err, leasehold.ErrNotHeld) {
		return nil // it was quicker
	}
	return err
}
