package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// Standbys returns how many standbys there are.
func (c *Cluster) Standbys() int {
	n := 0
	for slot, s := range c.slots {
		if s != nil && slot != c.primary {
			n++
		}
	}
	return n
}

// Synchronous reports whether commits wait for a standby.
func (c *Cluster) Synchronous() bool { return c.cfg.Synchronous }

// Detach makes all standbys receive nothing any more.
func (c *Cluster) Detach(ctx context.Context) error {
	for slot, s := range c.slots {
		if s == nil || slot == c.primary {
			continue
		}
		if err := s.Detach(ctx); err != nil {
			return err
		}
	}
	return nil
}

// CancelWaits cancels, for some time, every wait of a commit for a standby: the
// commit then takes effect, and its client is warned.
func (c *Cluster) CancelWaits(ctx context.Context, length time.Duration) error {
	return c.on(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		for started := time.Now(); time.Since(started) < length && ctx.Err() == nil; {
			if _, err := conn.Exec(ctx, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`); err != nil {
				return err
			}
		}
		return nil
	})
}

// Failover kills the primary, for good, and promotes a standby. There must be one.
func (c *Cluster) Failover(ctx context.Context) error {
	old := c.slots[c.primary]
	if err := old.Kill(); err != nil {
		return err
	}
	c.put(c.primary, nil)
	next := slices.IndexFunc(c.slots, func(s *pgserver.Server) bool { return s != nil })
	if next < 0 {
		return errors.Join(errNoStandby, old.Close())
	}
	c.primary = next
	return errors.Join(c.slots[next].Promote(ctx), old.Close())
}

var errNoStandby = errors.New("there is no standby to promote")

// Refill makes standbys of the primary for all slots that are empty or hold one
// that does not follow it.
func (c *Cluster) Refill(ctx context.Context) error {
	primary := c.slots[c.primary]
	for slot, s := range c.slots {
		if slot == c.primary {
			continue
		}
		if s != nil {
			c.put(slot, nil)
			if err := s.Close(); err != nil {
				return err
			}
		}
		c.made++
		standby, err := primary.Standby(ctx, fmt.Sprintf("standby_%d", c.made))
		if err != nil {
			return err
		}
		c.put(slot, standby)
		if err := c.welcome(ctx, primary, standby); err != nil {
			return err
		}
	}
	return nil
}

// welcome sets the clock of a new standby and makes commits wait for it if they
// are to wait for any.
func (c *Cluster) welcome(ctx context.Context, primary, standby *pgserver.Server) error {
	if c.cfg.Clock {
		if err := standby.Step(c.ahead); err != nil {
			return err
		}
	}
	if c.cfg.Synchronous {
		return primary.Synchronous(ctx, standby)
	}
	return nil
}

// complete returns when commits have the standby to wait for again, if they are to
// wait for one.
func (c *Cluster) complete(ctx context.Context) error {
	primary := c.slots[c.primary]
	for _, s := range c.slots {
		if c.cfg.Synchronous && s != nil && s != primary {
			return primary.Synchronous(ctx, s)
		}
	}
	return nil
}
