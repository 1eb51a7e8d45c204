package nemesis

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

func (n *nemesis) terminate(ctx context.Context) {
	n.note(history.Fault, "terminate backends")
	if err := n.Server.Terminate(ctx); err != nil && ctx.Err() == nil {
		n.failed(err)
	}
}

// crash kills the server; restart stops it in good order.
func (n *nemesis) crash(ctx context.Context)   { n.outage(ctx, "crash of the server", n.Server.Crash) }
func (n *nemesis) restart(ctx context.Context) { n.outage(ctx, "restart of the server", n.Server.Stop) }

// outage leaves the server down for a while: mostly for less than leases last,
// sometimes for longer. It is up again afterwards, whatever ctx says.
func (n *nemesis) outage(ctx context.Context, name string, down func() error) {
	n.note(history.Fault, name)
	if err := down(); err != nil {
		n.failed(err)
	}
	length := n.between(0, n.TTL/2)
	if n.r.IntN(4) == 0 {
		length = n.between(n.TTL, n.TTL*5/4)
	}
	n.wait(ctx, length)
	if err := n.Server.Restart(context.WithoutCancel(ctx)); err != nil {
		n.failed(err)
	}
	n.note(history.Healed, name)
	n.wait(ctx, time.Second) // some work is to be done as well
}
