package leasehold

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
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
// its outcome is known.
type attempt struct {
	driver.Attempt
	request *request
	lease   *keepalive.Lease
	news    chan news // from the watcher; holds one

	// inFlight is closed when the last call sent has returned. Only then may
	// the attempt be let go of.
	inFlight chan struct{}
	// clean: the store has answered that nothing of the attempt is stored.
	clean bool

	// reads, of the lease, before the attempt was first sent. A notification names the
	// ticket, and the ticket may be asked for again when a grant to it has ended; so
	// none is believed once the rows were read since.
	reads int

	queued bool // guarded by waiting.mu: the store has answered that it is queued
}

// news is what a look at the row has shown.
type news struct {
	fence    uint64
	reads    int // of the lease, before the look
	vanished bool
	revoked  bool
}

func newAttempt(r *request, lease *keepalive.Lease) *attempt {
	inFlight := make(chan struct{})
	close(inFlight)
	a := &attempt{
		Attempt: driver.Attempt{Name: r.name, Lease: lease.ID, Ticket: driver.NewID()},
		request: r, lease: lease, news: make(chan news, 1),
		inFlight: inFlight, clean: true, reads: lease.Reads(),
	}
	r.client.begun(a.Ticket)
	return a
}

// obtain sends the attempt until it is granted or can go no further.
func (a *attempt) obtain(ctx context.Context) (news, error) {
	c := a.request.client
	if a.request.wait {
		c.waits.add(a)
		defer c.waits.remove(a)
		a.forgetNews() // of an earlier round
	}
	probes := 0
	for pause := range backoff.Seq(5*time.Millisecond, time.Second) {
		reads := a.lease.Reads()
		reply, err := a.send(ctx)
		switch {
		case err != nil && a.stopped(ctx) != nil:
			return news{}, a.stopped(ctx)
		case errors.Is(err, driver.ErrLeaseGone):
			a.lease.Kick() // the keepalive finds out, and ends the lease
		case driver.IsPermanent(err):
			return news{}, err
		case err != nil:
			if a.request.troubled("acquire", err); !a.request.patient() {
				return news{}, err
			}
		case reply.Lock.HeldBy(a.Place()) && keepalive.Revoked(&reply.Lock):
			return news{}, errRevokedEarly
		case reply.Lock.HeldBy(a.Place()):
			return news{fence: reply.Lock.Fence, reads: reads}, nil
		case a.request.wait:
			n, err := a.await(ctx, reply.Lock)
			if err == nil && n.revoked {
				err = errRevokedEarly
			}
			if err != nil || !n.vanished {
				return n, err
			}
			continue // somebody removed us from the queue: ask again
		default:
			held, changed, err := a.probe(ctx)
			if err == nil && (!changed || probes == 3) {
				return news{}, held
			}
			if probes++; err == nil {
				continue
			}
			if a.request.troubled("read", err); !a.request.patient() {
				return news{}, err
			}
		}
		if err := a.sleep(ctx, pause); err != nil {
			return news{}, err
		}
	}
	return news{}, nil // not reached: Seq does not end
}

// send makes one call of Acquire, under a context of its own: the end of the
// caller's must not cost the connection that others use too.
func (a *attempt) send(ctx context.Context) (driver.Reply, error) {
	type result struct {
		reply driver.Reply
		err   error
	}
	c := a.request.client
	results := make(chan result, 1)
	inFlight := make(chan struct{})
	a.inFlight, a.clean = inFlight, false
	c.tasks.Go(func() {
		defer close(inFlight)
		call, cancel := context.WithTimeout(context.Background(), c.callTimeout())
		defer cancel()
		reply, err := c.conn.Acquire(call, a.Attempt, a.request.wait)
		results <- result{reply, err}
	})
	select {
	case r := <-results:
		if r.err == nil {
			a.request.trouble = nil
			a.clean = !a.request.wait && !r.reply.Lock.HeldBy(a.Place())
			a.lease.SawEpoch(r.reply.Epoch)
		}
		return r.reply, r.err
	case <-ctx.Done():
	case <-a.lease.Ended():
	case <-c.closing.Done():
	}
	return driver.Reply{}, a.stopped(ctx)
}

// stopped returns what has ended the attempt, or nil.
func (a *attempt) stopped(ctx context.Context) error {
	switch {
	case a.request.client.closing.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case a.lease.Cause() != nil:
		return errLeaseEnded
	default:
		return nil
	}
}

func (a *attempt) forgetNews() {
	select {
	case <-a.news:
	default:
	}
}

// await waits in the queue until the watcher has news.
func (a *attempt) await(ctx context.Context, row driver.Lock) (news, error) {
	c := a.request.client
	if f := c.cfg.Observer.Queued; f != nil {
		f(a.Name, max(row.Ahead(a.Place()), 0))
	}
	c.waits.enqueued(a, row)
	c.listen(a.lease)
	select {
	case n := <-a.news:
		return n, nil
	case <-ctx.Done():
	case <-a.lease.Ended():
	case <-c.closing.Done():
	}
	return news{}, a.stopped(ctx)
}

// probe looks whether the holder is dead, and frees the lock from it if so.
func (a *attempt) probe(ctx context.Context) (held *HeldError, changed bool, err error) {
	c := a.request.client
	view, err := c.read(ctx, driver.Query{Names: []string{a.Name}})
	if err != nil {
		return nil, false, err
	}
	held = &HeldError{Name: a.Name}
	if len(view.Locks) == 0 || !view.Locks[0].Held() {
		return held, true, nil // it was freed meanwhile
	}
	held.Fence, held.Holder = view.Locks[0].Fence, holder(view.Locks[0], view)
	changed, _ = c.clear(liveness.New(), view, clock.Now())
	return held, changed, nil
}

// sleep pauses; an error says what ended the attempt first.
func (a *attempt) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
	case <-a.lease.Ended():
	case <-a.request.client.closing.Done():
	}
	return a.stopped(ctx)
}

// abandon lets go of whatever may be stored of the attempt, in the background,
// and then of the lease.
func (a *attempt) abandon() {
	if a.clean {
		a.request.client.ended(a.Ticket)
		a.lease.Unpin()
		return
	}
	c := a.request.client
	c.tasks.Go(func() {
		defer a.lease.Unpin()
		<-a.inFlight
		c.letGo(a.lease, a.Attempt, func() {})
	})
}
