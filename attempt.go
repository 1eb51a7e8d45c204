package leasehold

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// errLeaseEnded ends an attempt whose lease can be trusted no more.
var errLeaseEnded = errors.New("the lease ended")

// errRevokedEarly ends an attempt whose grant was revoked before its news arrived. A
// renewal may have returned the notice of that already, so nobody would tell the holder.
var errRevokedEarly = errors.New("the grant was revoked before it arrived")

// attempt is one (name, lease, ticket): what is sent to the store, repeated until
// its outcome is known. It pins its lease.
type attempt struct {
	driver.Attempt
	client *Client
	lease  *keepalive.Lease
	fixed  time.Duration // the TTL of a lease of its own; 0: it is the client's
	wait   bool

	// added is how often the rows were read again, of the lease, before the attempt was
	// first sent. A notification names the ticket, and the ticket may be asked for again
	// when a grant to it has ended; so none is believed once the rows were read since.
	added int

	// waiting.mu guards the fields below.
	owner   *request // whose it is; nil: it is abandoned
	calling bool     // a call is in flight; only when it has returned the attempt may be let go of
	sent    int      // as added, before that call was sent
	clean   bool     // the store has answered that nothing of the attempt is stored
	queued  bool     // the store has answered that it is queued
	ahead   int      // in the queue, when last seen
	reply   news     // to the last call
	news    news     // from the watcher or a notification, since the last call was sent
}

// news is what has happened to an attempt.
type news struct {
	what  happening
	fence uint64 // granted
	reads int    // granted: of the lease, before the call was sent that shows it
	ahead int    // queued
	err   error  // failed, disagrees
}

type happening int

const (
	nothing   happening = iota
	granted             // the lock
	revoked             // granted, and revoked already
	queued              // it waits its turn
	refused             // a try: the lock is held
	vanished            // it is no longer in the queue
	disagrees           // the name is in use in another way
	failed              // the call did, and its outcome is not known
)

func newAttempt(r *request, lease *keepalive.Lease) *attempt {
	return &attempt{
		Attempt: driver.Attempt{Name: r.name, Lease: lease.ID, Ticket: driver.NewID(), Terms: r.opts.terms()},
		client:  r.client, lease: lease, fixed: r.opts.ttl(), wait: r.wait, added: lease.Reads(), owner: r, clean: true,
	}
}

// start makes one call of Acquire, whose end the owner need not await.
func (a *attempt) start() {
	c := a.client
	if s, ok := c.conn.(driver.Starter); ok {
		s.StartAcquire(c.callContext(), a.Attempt, a.wait, a.answered)
		return
	}
	go func() { a.answered(c.conn.Acquire(c.callContext(), a.Attempt, a.wait)) }()
}

// answered notes the result of that call.
func (a *attempt) answered(reply driver.Reply, err error) {
	c := a.client
	defer c.tasks.Done()
	n := a.learn(&reply, err)
	if n.what == queued && a.fixed == 0 {
		c.listen(a.lease)
	}
	if !c.waits.answered(a, &reply.Lock, n) {
		c.tasks.Go(a.discard)
	}
}

// learn returns what the reply to Acquire says.
func (a *attempt) learn(reply *driver.Reply, err error) news {
	if err != nil {
		return failure(err)
	}
	a.lease.SawEpoch(reply.Epoch)
	g, holds := reply.Lock.GrantOf(a.Place())
	switch {
	case holds && keepalive.Marked(g):
		return news{what: revoked}
	case holds:
		return news{what: granted, fence: g.Fence, reads: a.sent}
	case a.wait:
		return news{what: queued, ahead: max(reply.Lock.Ahead(a.Place()), 0)}
	default:
		return news{what: refused}
	}
}

// failure returns what an error of Acquire says.
func failure(err error) news {
	var mode *driver.ModeError
	if errors.As(err, &mode) {
		return news{what: disagrees, err: err}
	}
	return news{what: failed, err: err}
}

// stopped returns what has ended the attempt, or nil.
func (a *attempt) stopped(ctx context.Context) error {
	switch {
	case a.client.closing.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case a.lease.Cause() != nil:
		return errLeaseEnded
	default:
		return nil
	}
}

// probe looks whether the holder is dead, and frees the lock from it if so.
func (a *attempt) probe(ctx context.Context) (held *HeldError, changed bool, err error) {
	c := a.client
	view, err := c.read(ctx, driver.Query{Names: []string{a.Name}})
	if err != nil {
		return nil, false, err
	}
	held = &HeldError{Name: a.Name}
	if len(view.Locks) == 0 || !view.Locks[0].Held() && view.Locks[0].Kept == 0 {
		return held, true, nil // it was freed meanwhile
	}
	held.see(&view.Locks[0], view)
	changed, _ = c.clear(liveness.New(), view, clock.Now())
	return held, changed, nil
}

// abandon lets go of whatever may be stored of the attempt, in the background,
// and then of the lease.
func (a *attempt) abandon() {
	if !a.client.waits.disown(a) {
		return // the call in flight goes on to that
	}
	if a.clean {
		a.discard()
		return
	}
	a.client.tasks.Go(a.discard)
}

// discard is the end of abandon. No call of Acquire is in flight.
func (a *attempt) discard() {
	c := a.client
	defer a.lease.Unpin()
	if a.clean {
		c.ended(a.Ticket)
		return
	}
	c.letGo(a.lease, a.Attempt, func() {})
}
