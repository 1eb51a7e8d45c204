package nemesis

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/fleet"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/faults/internal/proxy"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// partition holds back what a process sends, or gets, or both, mostly for longer
// than its lease is trusted. Nobody is told. Sometimes the process is stopped or
// killed meanwhile; when it is over, what was held back arrives, or the connections
// turn out to be broken.
func (n *nemesis) partition(ctx context.Context) {
	ways := [][]proxy.Direction{{proxy.Up}, {proxy.Down}, {proxy.Up, proxy.Down}}[n.r.IntN(3)]
	name := map[int]string{1: "partition one way", 2: "partition both ways"}[len(ways)]
	length, meanwhile, reset := n.between(n.TTL/4, n.TTL*5/2), n.r.IntN(6), n.r.IntN(2) == 0
	n.harmAt(func(t *fleet.Taken, place int) error {
		t.Note(history.Fault, name)
		link := n.Cluster.Link(place)
		for _, d := range ways {
			link.Set(d, proxy.Quality{Held: true})
		}
		backoff.Sleep(ctx, length/2)
		err := n.meanwhile(ctx, t, meanwhile, length/2)
		if reset {
			n.Cluster.Reset(place)
		}
		link.Heal()
		t.Note(history.Healed, name)
		return err
	})
}

// meanwhile is the second half of a partition.
func (n *nemesis) meanwhile(ctx context.Context, t *fleet.Taken, what int, length time.Duration) error {
	switch what {
	case 0:
		if err := t.Stop(); err != nil {
			return err
		}
		backoff.Sleep(ctx, length)
		return t.Continue()
	case 1:
		if err := t.Kill(); err != nil {
			return err
		}
		backoff.Sleep(ctx, length)
		return t.Replace()
	default:
		backoff.Sleep(ctx, length)
		return nil
	}
}

// slow delays everything.
func (n *nemesis) slow(ctx context.Context) {
	delay := n.between(time.Millisecond, n.TTL/20)
	n.worsen(ctx, "slow network", n.between(n.TTL, 3*n.TTL), proxy.Quality{Delay: delay})
}

// stall lets deliveries wait at random, as a lossy network does to TCP.
func (n *nemesis) stall(ctx context.Context) {
	n.worsen(ctx, "lossy network", n.between(n.TTL, 3*n.TTL), proxy.Quality{Stall: n.TTL * 6 / 5, Every: 20 + n.r.IntN(40)})
}

func (n *nemesis) worsen(ctx context.Context, name string, length time.Duration, q proxy.Quality) {
	n.harmAt(func(t *fleet.Taken, place int) error {
		t.Note(history.Fault, name)
		link := n.Cluster.Link(place)
		link.Set(proxy.Up, q)
		link.Set(proxy.Down, q)
		backoff.Sleep(ctx, length)
		link.Heal()
		t.Note(history.Healed, name)
		return nil
	})
}

// reset breaks the connections of a process.
func (n *nemesis) reset(context.Context) {
	n.harmAt(func(t *fleet.Taken, place int) error {
		t.Note(history.Fault, "connections reset")
		n.Cluster.Reset(place)
		return nil
	})
}
