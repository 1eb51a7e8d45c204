package nemesis

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/cluster"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

func (n *nemesis) terminate(ctx context.Context) {
	n.note(history.Fault, "terminate backends")
	n.attempt(ctx, n.Cluster.Terminate(ctx))
}

func (n *nemesis) cancel(ctx context.Context) {
	n.note(history.Fault, "cancel backends")
	n.attempt(ctx, n.Cluster.Cancel(ctx))
}

// crash kills the server; restart stops it in good order.
func (n *nemesis) crash(ctx context.Context) {
	n.outage(ctx, "crash of the server", n.Cluster.Crash, n.Cluster.Restart)
}

func (n *nemesis) restart(ctx context.Context) {
	n.outage(ctx, "restart of the server", n.Cluster.Stop, n.Cluster.Restart)
}

func (n *nemesis) disk(ctx context.Context) {
	n.outage(ctx, "disk full", n.Cluster.Fill, n.Cluster.Free)
}

// outage leaves the server down for a while: mostly for less than leases last,
// sometimes for longer. It is up again afterwards, whatever ctx says.
func (n *nemesis) outage(ctx context.Context, name string, down func() error, up func(context.Context) error) {
	n.note(history.Fault, name)
	n.try(down())
	length := n.between(0, n.TTL/2)
	if n.r.IntN(4) == 0 {
		length = n.between(n.TTL, n.TTL*5/4)
	}
	backoff.Sleep(ctx, length)
	n.try(up(context.WithoutCancel(ctx)))
	n.note(history.Healed, name)
	backoff.Sleep(ctx, time.Second) // some work is to be done as well
}

// connections takes all connections that the server has left.
func (n *nemesis) connections(ctx context.Context) {
	const name = "no connections left"
	n.note(history.Fault, name)
	limited, cancel := context.WithTimeout(ctx, n.between(n.TTL/2, n.TTL*3/2))
	defer cancel()
	n.try(n.Cluster.Crowd(limited))
	n.note(history.Healed, name)
	backoff.Sleep(ctx, time.Second)
}

// snapshot holds a snapshot open in the background.
func (n *nemesis) snapshot(ctx context.Context) {
	length := n.between(time.Second, 10*time.Second)
	n.note(history.Fault, "long snapshot")
	url := n.Cluster.Direct()
	ctx, cancel := context.WithTimeout(ctx, length)
	n.wg.Go(func() {
		defer cancel()
		_ = cluster.Snapshot(ctx, url) // it may be ended by another fault
	})
}

// clock steps the database's clock, to any place within Steps of where it was at
// first.
func (n *nemesis) clock(context.Context) {
	n.note(history.Fault, "clock step")
	n.try(n.Cluster.Step(n.between(-n.Steps, n.Steps)))
}
