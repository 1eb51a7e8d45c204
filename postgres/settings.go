package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// SetMaxTTL sets the cap of every client's TTL, which is also how long nothing is
// granted after a failover. It is stored with the tables; at first it is 60 s. At least
// 100 ms. It is not set below the TTL of a lease in use: then the error is permanent, and
// nothing was changed. Clients that are open meet the new cap when they next need a
// lease.
//
// Where standbys lag, raise it some time before a client uses the longer TTL: a standby
// promoted without the change would grant too early.
func (s *Store) SetMaxTTL(ctx context.Context, longest time.Duration) error {
	if longest < minTTL || longest%time.Millisecond != 0 {
		return driver.Permanent(fmt.Errorf("a longest TTL of %v: use whole milliseconds, at least %v", longest, minTTL))
	}
	return s.set(ctx, func(ctx context.Context, tx *session) error {
		// The row lock comes first: no lease is made between the change and the look.
		if _, err := tx.Exec(ctx, s.cfg.render(`UPDATE leasehold.meta SET max_ttl_ms = $1`), longest.Milliseconds()); err != nil {
			return err
		}
		var used int64
		err := tx.QueryRow(ctx, s.cfg.render(`SELECT coalesce(max(s.ttl_ms), 0) FROM leasehold.lease AS s`)).Scan(&used)
		if err == nil && used > longest.Milliseconds() {
			err = driver.Permanent(fmt.Errorf("a TTL of %v is in use: restart its client with a shorter one first", time.Duration(used)*time.Millisecond))
		}
		return err
	})
}

// SetGrace says whether nothing is granted for a while after a failover; at first that is
// so. Turn it off only where no standby that may be promoted can lack a commit that was
// acknowledged (synchronous replication that nobody cancels): else two clients may
// hold one lock after a failover.
func (s *Store) SetGrace(ctx context.Context, on bool) error {
	return s.set(ctx, func(ctx context.Context, tx *session) error {
		_, err := tx.Exec(ctx, s.cfg.render(`UPDATE leasehold.meta SET grace = $1`), on)
		return err
	})
}

// NewEpoch declares the database another incarnation: call it after restoring a backup
// or a snapshot, before clients use the database again. Holders read their rows
// before they trust them further, and nothing is granted until every trust from before
// has ended, also where grace is turned off. A promotion is noticed without it, where
// the server tells its timeline.
func (s *Store) NewEpoch(ctx context.Context) error {
	return s.asked(ctx, func(ctx context.Context, s *session, sql *statements) error {
		_, err := s.Exec(ctx, sql.newEpoch, s.system)
		return err
	})
}

// set changes what is stored with the tables, in one transaction.
func (s *Store) set(ctx context.Context, change func(context.Context, *session) error) error {
	return s.asked(ctx, func(ctx context.Context, s *session, _ *statements) error {
		return s.transact(ctx, func() error { return change(ctx, s) })
	})
}

// asked runs fn, which an operator asked for, on a connection of its own.
func (s *Store) asked(ctx context.Context, fn func(context.Context, *session, *statements) error) error {
	if err := s.cfg.validate(); err != nil {
		return err
	}
	from, err := s.source(ctx)
	if err != nil {
		return err
	}
	c := newConn(from, s.cfg, driver.Settings{TTL: migrateTTL})
	defer c.Close()
	err = c.on(ctx, c.command, fn)
	if err != nil {
		err = s.cfg.explain(err)
	}
	return err
}
