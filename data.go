package leasehold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// SetData stores b, at most MaxData, with the lock; an empty b clears what is stored. It
// outlives the lock if that was acquired with KeepData. Where several hold the
// name, they share its data.
//
// ErrNotHeld: the lock was released or lost, and nothing was changed. ErrOutcomeUnknown:
// the database did not answer, or ctx ended before it did; calling again is harmless.
// ErrUnsupported: the store keeps no data. One write.
func (l *Lock) SetData(ctx context.Context, b []byte) error {
	if len(b) > MaxData {
		return opErr("set data", l.hold.Name, fmt.Errorf("%w data: %d bytes, the most is %d", ErrInvalid, len(b), MaxData))
	}
	if err := l.ended(); err != nil {
		return opErr("set data", l.hold.Name, ErrNotHeld, err)
	}
	err := l.store(ctx, slices.Clone(b))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, driver.ErrNotHeld):
		return opErr("set data", l.hold.Name, ErrNotHeld)
	case ctx.Err() != nil:
		return opErr("set data", l.hold.Name, ErrOutcomeUnknown, ctxErr(ctx))
	case driver.IsPermanent(err) || errors.Is(err, ErrUnsupported) || err == ErrClosed:
		return opErr("set data", l.hold.Name, err)
	default:
		return opErr("set data", l.hold.Name, kind(err), ErrOutcomeUnknown, err)
	}
}

// Data returns what is stored with the lock now, by whoever it was: also what an earlier
// holder left with KeepData. Nil: nothing is. One read.
func (l *Lock) Data(ctx context.Context) ([]byte, error) {
	view, err := l.client.read(ctx, driver.Query{Names: []string{l.hold.Name}})
	if err != nil {
		return nil, l.client.failed("data", l.hold.Name, err)
	}
	if len(view.Locks) == 0 {
		return nil, nil
	}
	return view.Locks[0].Data, nil
}

// store makes one call of SetData. It returns when ctx ends, at the latest.
func (l *Lock) store(ctx context.Context, b []byte) error {
	k, ok := l.client.conn.(driver.DataKeeper)
	if !ok {
		return ErrUnsupported
	}
	result := make(chan error, 1)
	if !l.client.spawn(func() { result <- k.SetData(l.client.callContext(), l.hold.Attempt, b, l.keep) }) {
		return ErrClosed
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// furnish does what the options ask for after the grant. On an error the lock is not to
// be handed out.
func (r *request) furnish(ctx context.Context, l *Lock) error {
	o := r.opts
	if o == nil {
		return nil
	}
	l.keep = o.keep
	if o.sets {
		if err := r.fill(ctx, l); err != nil {
			return err
		}
	}
	if o.fixed == 0 {
		return nil
	}
	l.fixed = true
	l.lease.Fix()
	return l.extend(ctx)
}

// fill stores the data, however often it takes.
func (r *request) fill(ctx context.Context, l *Lock) error {
	pauses := backoff.New(5*time.Millisecond, time.Second)
	for {
		err := l.store(ctx, r.opts.data)
		switch {
		case err == nil:
			return nil
		case l.ended() != nil:
			return l.ended()
		case ctx.Err() != nil || driver.IsPermanent(err) || err == ErrClosed:
			return err
		}
		if r.troubled("set data", err); !r.patient() || !r.sleep(ctx, pauses.Next()) {
			return err
		}
	}
}
