package nemesis

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/fleet"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// stop stops a process, mostly for longer than its lease is trusted.
func (n *nemesis) stop(ctx context.Context) {
	n.stopWith(ctx, n.between(n.TTL/2, n.TTL*9/4), (*fleet.Taken).Stop)
}

// stopInside stops a process while it holds a guarded transaction open, for so
// long that its lease expires, and others would take over the lock if they could.
func (n *nemesis) stopInside(ctx context.Context) {
	n.stopWith(ctx, n.between(n.TTL*4/3, n.TTL*9/4), (*fleet.Taken).StopInside)
}

func (n *nemesis) stopWith(ctx context.Context, length time.Duration, stop func(*fleet.Taken) error) {
	n.harm(func(t *fleet.Taken) error {
		if err := stop(t); err != nil {
			return err
		}
		backoff.Sleep(ctx, length)
		return t.Continue()
	})
}

// kill kills a process, and starts another one in its place after a while.
func (n *nemesis) kill(ctx context.Context) {
	length := n.between(0, time.Second)
	n.harm(func(t *fleet.Taken) error {
		if err := t.Kill(); err != nil {
			return err
		}
		backoff.Sleep(ctx, length)
		return t.Replace()
	})
}

// harm does something to a random place, in the background. It does nothing if
// enough places are being harmed.
func (n *nemesis) harm(do func(*fleet.Taken) error) {
	n.harmAt(func(t *fleet.Taken, _ int) error { return do(t) })
}

// harmAt is harm for what concerns the number of the place.
func (n *nemesis) harmAt(do func(t *fleet.Taken, place int) error) {
	place := n.r.IntN(n.Places)
	select {
	case n.busy <- struct{}{}:
	default:
		return
	}
	t := n.Fleet.Take(place)
	if t == nil {
		<-n.busy
		return
	}
	n.wg.Go(func() {
		defer func() { <-n.busy }()
		defer t.Leave()
		n.try(do(t, place))
	})
}
