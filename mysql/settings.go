package mysql

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// operatorTTL stands in for a client's TTL where there is no client.
const operatorTTL = time.Minute

// Migrate makes the tables, or brings older ones up to date, also where
// Config.ManualSchema is set. Any number of processes may call it at once, and all
// succeed; one that is cut off may be repeated. The user needs CREATE, and INSERT, on the
// database.
func (s *Store) Migrate(ctx context.Context) error { return s.asked(ctx, (*conn).migrate) }

// SetMaxTTL sets the cap of every client's TTL, which is also how long nothing is granted
// after a failover. It is stored with the tables; at first it is 60 s. At least 100 ms. It
// is not set below the TTL of a lease in use, but for fixed ones: then the error is
// permanent, and nothing was changed. Clients that are open meet the new cap when they next
// need a lease.
//
// Where replicas lag, raise it some time before a client uses the longer TTL: a replica
// promoted without the change would grant too early.
func (s *Store) SetMaxTTL(ctx context.Context, longest time.Duration) error {
	if longest < minTTL || longest%time.Millisecond != 0 {
		return driver.Permanent(fmt.Errorf("a longest TTL of %v: use whole milliseconds, at least %v", longest, minTTL))
	}
	return s.asked(ctx, func(c *conn, ctx context.Context, s *session) error {
		// The row lock comes first: no lease is made between the change and the look.
		var used int64
		err := s.run(ctx,
			statement{sql: "BEGIN"},
			statement{sql: "UPDATE " + c.t.meta + " SET max_ttl_ms = " + number(longest.Milliseconds()) + " WHERE one = 1"},
			statement{"SELECT COALESCE(MAX(ttl_ms), 0) FROM " + c.t.lease + " WHERE fixed = 0", row(&used)})
		if err == nil && used > longest.Milliseconds() {
			err = driver.Permanent(fmt.Errorf("a TTL of %v is in use: restart its client with a shorter one first", msec(used)))
		}
		if err != nil {
			s.rollback(ctx)
			return err
		}
		return s.run(ctx, plain("COMMIT")...)
	})
}

// SetGrace says whether nothing is granted for a while after a failover; at first that is
// so. Turn it off only where no replica that may be promoted can lack a commit that was
// acknowledged: else two clients may hold one lock after a failover.
func (s *Store) SetGrace(ctx context.Context, on bool) error {
	return s.asked(ctx, func(c *conn, ctx context.Context, s *session) error {
		return s.run(ctx, plain("UPDATE "+c.t.meta+" SET grace = "+boolean(on)+" WHERE one = 1")...)
	})
}

// NewEpoch declares the database another incarnation: call it after restoring a backup or a
// snapshot on the same server, which nothing else tells, before clients use the database
// again. Holders read their rows before they trust them further, and nothing is granted
// until every trust from before has ended, also where grace is turned off. A promoted
// replica is noticed without it.
func (s *Store) NewEpoch(ctx context.Context) error {
	return s.asked(ctx, func(c *conn, ctx context.Context, s *session) error {
		return s.run(ctx, plain("UPDATE "+c.t.meta+" SET granting = 0, seen_at = "+clockSQL+", server = "+bytesSQL(s.server)+
			", epoch = GREATEST(epoch + 1, "+clockSQL+") WHERE one = 1")...)
	})
}

// asked runs fn, which an operator asked for, on a connection of its own.
func (s *Store) asked(ctx context.Context, fn func(*conn, context.Context, *session) error) error {
	c, err := s.newConn(driver.Settings{TTL: operatorTTL})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.on(ctx, c.command, func(ctx context.Context, s *session) error {
		err := c.inhabit(ctx, s)
		if err == nil {
			err = fn(c, ctx, s)
		}
		return c.explain(err)
	})
}
