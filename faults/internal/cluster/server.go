package cluster

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// Crash kills the primary, and leaves it down.
func (c *Cluster) Crash() error {
	if c.maria != nil {
		return c.maria.Kill()
	}
	return c.slots[c.primary].Kill()
}

// Stop stops the primary in good order, and leaves it down.
func (c *Cluster) Stop() error {
	if c.maria != nil {
		return c.maria.Stop()
	}
	return c.slots[c.primary].Stop(pgserver.Fast)
}

// Restart starts the primary again, and waits until a synchronous standby follows
// it.
func (c *Cluster) Restart(ctx context.Context) error {
	if c.maria != nil {
		return c.maria.Restart(ctx)
	}
	if err := c.slots[c.primary].Restart(ctx); err != nil {
		return err
	}
	return c.complete(ctx)
}

// Fill fills the primary's disk. Free makes room again, and starts the server if
// that was too much for it.
func (c *Cluster) Fill() error { return c.slots[c.primary].Fill() }

// Free ends Fill.
func (c *Cluster) Free(ctx context.Context) error {
	s := c.slots[c.primary]
	if err := s.Free(); err != nil {
		return err
	}
	// It may be in the middle of ending, or of starting anew by itself: an orderly
	// start from here is one more crash at the most.
	return s.Restart(ctx)
}

// Step moves the clock of every server by d from where it was at first.
func (c *Cluster) Step(d time.Duration) error {
	c.ahead = c.cfg.Ahead + d
	for _, s := range c.slots {
		if s == nil {
			continue
		}
		if err := s.Step(c.ahead); err != nil {
			return err
		}
	}
	return nil
}
