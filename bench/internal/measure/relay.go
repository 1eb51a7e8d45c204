package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// relayConfig says where a process of the floor stands in the ring.
type relayConfig struct {
	URL        string
	Self, Next int
}

// relay is the floor of hand-overs among many processes: a baton goes round a ring.
// Whoever is notified at once commits an update of the one row, which notifies the next.
// So there is one commit for each hand-over, no more, and nothing else to do. As in the
// floor of a single hand-over, a process listens on one connection and updates on
// another.
func relay(ctx context.Context, parent *fleet.Parent) (err error) {
	var cfg relayConfig
	if err := parent.Config(&cfg); err != nil {
		return err
	}
	notifier, err := side.OpenNotifier(ctx, cfg.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, notifier.Close()) }()
	listener, err := side.OpenNotifier(ctx, cfg.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, listener.Close()) }()
	if err := listener.Listen(ctx, post(cfg.Self)); err != nil {
		return err
	}
	return work(parent, func(t *tally) error {
		pass := func() error { return notifier.Notify(ctx, post(cfg.Next), t.shift.Round) }
		if t.shift.First {
			if err := pass(); err != nil {
				return err
			}
		}
		return passOn(ctx, t, listener, pass)
	})
}

// passOn passes the baton on whenever it comes. At the end of the shift it stays with
// whoever has it.
func passOn(ctx context.Context, t *tally, listener *side.Notifier, pass func() error) error {
	ctx, cancel := context.WithDeadline(ctx, time.Unix(0, t.shift.To).Add(grace))
	defer cancel()
	for {
		round, err := listener.Wait(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case round != t.shift.Round:
			continue // an earlier round's, that came late
		case !t.count():
			return nil
		}
		if err := pass(); err != nil {
			return err
		}
	}
}

// grace is how long after a shift the baton may still come.
const grace = 100 * time.Millisecond

// post is the channel of a process.
func post(i int) string { return fmt.Sprint("post_", i) }
