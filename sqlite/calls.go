package sqlite

import (
	"context"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/coalesce"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// maxCalls is how many calls share a commit at most. Others wait for the file as long.
const maxCalls = 64

// call is an acquisition or a release, and its result.
type call struct {
	driver.Attempt
	caller  context.Context // nothing is done for one that has given up
	release bool
	wait    bool // of an acquisition

	reply   driver.Reply   // to an acquisition
	outcome driver.Outcome // of a release
	err     error
}

// newCalls returns where calls wait for their turn. Those that come while others are made
// share the next transaction, and so its flush of the disk.
func (c *conn) newCalls() *coalesce.Queue[*call] {
	return coalesce.New(coalesce.Config[*call]{
		Run:      c.run,
		Name:     func(r *call) string { return r.Name },
		Together: func(*call, *call) bool { return true },
		Most:     maxCalls,
	})
}

// start makes a call. done is told once, in another goroutine, how it ended; or when its
// caller gives up, even if the disk does not answer. Then the call belongs to the queue.
func (c *conn) start(r *call, done func(error)) {
	answer := context.AfterFunc(r.caller, func() { done(context.Cause(r.caller)) })
	c.calls.Start(r.caller, r, func(error) {
		if answer() {
			done(r.err)
		}
	})
}

// run makes calls of different names.
func (c *conn) run(ctx context.Context, calls []*call) (again []*call) {
	err := c.admit(ctx)
	if err == nil {
		defer c.work.Done()
		_, err = onLane(ctx, c, c.writer, c.patience, func() (none struct{}, err error) { return none, c.writer.make(calls) })
	}
	if err != nil {
		for _, r := range calls {
			r.err = err
		}
	}
	return nil
}

// make makes calls. An error is one of all of them; that of one is in its err.
func (l *lane) make(calls []*call) error {
	wanted := make([]*call, 0, len(calls))
	for _, r := range calls {
		if r.err = context.Cause(r.caller); r.err == nil {
			wanted = append(wanted, r)
		}
	}
	switch len(wanted) {
	case 0:
		return nil
	case 1:
		return l.alone(wanted[0])
	}
	err := l.together(wanted)
	if err == nil || isBusy(err) {
		return err
	}
	for _, r := range wanted { // one of them may be to blame
		r.err = classify(l.alone(r))
	}
	return nil
}

// alone makes a call. What is plain is one statement, and a transaction of its own.
func (l *lane) alone(r *call) error {
	if done, err := l.plain(r); done || err != nil {
		return err
	}
	_, err := inTx(l, func(tx *tx) (none struct{}, err error) { return none, tx.decide(r) })
	return err
}

// together makes calls in one transaction. An error that is not SQLite's concerns one
// call, which then has changed nothing.
func (l *lane) together(calls []*call) error {
	_, err := inTx(l, func(tx *tx) (none struct{}, err error) {
		for _, r := range calls {
			done, err := tx.plain(r)
			if err == nil && !done {
				err = tx.decide(r)
			}
			if code(err) != 0 {
				return none, err
			}
			r.err = err
		}
		return none, nil
	})
	return err
}

// decide makes a call, whatever its row is like, as package machine decides.
func (t *tx) decide(r *call) error {
	if r.release {
		return t.release(r)
	}
	return t.acquire(r)
}

func (t *tx) acquire(r *call) error {
	renewal, err := t.renewal(r.Lease)
	if err != nil {
		return err
	}
	t.epoch = renewal.Epoch
	l, err := t.lock(r.Name)
	if err != nil {
		return err
	}
	changed, err := machine.Acquire(l, r.Attempt, r.wait, t.now)
	if err != nil {
		return driver.Permanent(err)
	}
	if changed {
		err = t.store(l)
	}
	r.reply = driver.Reply{Lock: *l, Epoch: renewal.Epoch}
	return err
}

func (t *tx) release(r *call) error {
	l, err := t.lock(r.Name)
	if err != nil {
		return err
	}
	outcome, changed := machine.Release(l, r.Place(), t.now)
	if changed {
		err = t.store(l)
	}
	r.outcome = outcome
	return err
}
