package measure

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// notified is the floor of a hand-over: an update that notifies here, a connection that
// listens in another process.
type notified struct {
	notifier *side.Notifier
	listener *fleet.Process
}

// channel is what the listener listens to.
const channel = "floor"

func (e *Env) openNotified(ctx context.Context) (*notified, error) {
	url, err := e.Servers.Postgres.Create(ctx, "handover_floor")
	if err != nil {
		return nil, err
	}
	notifier, err := side.OpenNotifier(ctx, url)
	if err != nil {
		return nil, err
	}
	listener, err := fleet.Launch(ctx, listenerRole, 1, func(int) any { return url })
	if err != nil {
		return nil, errors.Join(err, notifier.Close())
	}
	return &notified{notifier, listener[0]}, nil
}

// handOver returns how long it took from sending the update until the other process had
// the notification.
func (n *notified) handOver(ctx context.Context) (time.Duration, error) {
	pause(ctx, rest)
	start := time.Now()
	if err := n.notifier.Notify(ctx, channel, ""); err != nil {
		return 0, err
	}
	heard, err := n.listener.Instant()
	return heard.Sub(start), err
}

func (n *notified) close() error { return errors.Join(n.listener.Close(), n.notifier.Close()) }

// listen reports the instant of each notification, until the parent has no more to say.
func listen(ctx context.Context, parent *fleet.Parent) error {
	var url string
	if err := parent.Config(&url); err != nil {
		return err
	}
	notifier, err := side.OpenNotifier(ctx, url)
	if err != nil {
		return err
	}
	if err := notifier.Listen(ctx, channel); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- reportNotifications(ctx, notifier, parent) }()
	var nothing any
	_, err = parent.Next(&nothing) // blocks until the parent is done
	cancel()
	return errors.Join(err, <-failed, notifier.Close())
}

func reportNotifications(ctx context.Context, notifier *side.Notifier, parent *fleet.Parent) error {
	if err := parent.Now(); err != nil {
		return err
	}
	for {
		if _, err := notifier.Wait(ctx); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		if err := parent.Now(); err != nil {
			return err
		}
	}
}
