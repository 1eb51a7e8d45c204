//go:build mutation

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// stage is where one scenario plays: a schema of its own, its history, and the counter
// of one name for each round.
type stage struct {
	ctx    context.Context
	url    string
	schema string
	ttl    time.Duration
	name   string           // of the lock, in this round
	stuck  []string         // names that could not be acquired, though nobody held them
	server *pgserver.Server // of this scenario alone; nil: it has none

	database database.Database
	pool     *pgxpool.Pool // of the scenario itself
	dir      string
	history  *history.Writer
	watching sync.WaitGroup
	done     chan struct{} // closed at the end
}

// rounds is how often a scenario that needs luck is tried at the most.
const rounds = 8

func lockName(round int) string { return fmt.Sprintf("round/%d", round) }

func openStage(ctx context.Context, url, schema string, chosen scenario) (s *stage, err error) {
	s = &stage{ctx: ctx, url: url, schema: schema, ttl: chosen.ttl, done: make(chan struct{})}
	if chosen.settings != nil {
		if s.server, err = pgserver.Start(ctx, pgserver.Config{Settings: chosen.settings}); err != nil {
			return nil, err
		}
		s.url = s.server.URL()
	}
	if s.dir, err = os.MkdirTemp("", "leasehold-mutation-"); err != nil {
		return nil, err
	}
	if s.history, err = history.Create(s.dir, "0.1"); err != nil {
		return nil, err
	}
	s.database, err = database.Open(ctx, database.Config{Kind: database.Postgres, URL: s.url, Schema: schema, Longest: s.ttl})
	if err != nil {
		return nil, err
	}
	if s.pool, err = pgxpool.New(ctx, s.url); err != nil {
		return nil, err
	}
	var names []string
	for round := range rounds {
		names = append(names, lockName(round))
	}
	return s, s.database.Prepare(ctx, names)
}

// close leaves the schema, if the server is not its own, to the parent, which removes it.
func (s *stage) close() {
	close(s.done)
	s.watching.Wait()
	_ = s.history.Close()
	_ = os.RemoveAll(s.dir)
	if s.server != nil {
		_ = s.server.Close() // its data are of no use any more
	}
}

// judge returns what the checker finds in the history so far.
func (s *stage) judge() ([]check.Violation, error) {
	events, err := history.Read(s.dir)
	if err != nil {
		return nil, err
	}
	r := check.Remains{Stuck: s.stuck}
	if r.Counters, err = s.database.Counters(s.ctx); err != nil {
		return nil, err
	}
	r.Ledger, err = s.database.Ledger(s.ctx)
	return check.Run(events, r, s.ttl), err
}

// exec runs SQL in which "leasehold." stands for the schema.
func (s *stage) exec(sql string, args ...any) error {
	_, err := s.pool.Exec(s.ctx, s.in(sql), args...)
	return err
}

func (s *stage) in(sql string) string {
	return strings.ReplaceAll(sql, "leasehold.", pgx.Identifier{s.schema}.Sanitize()+".")
}

// napping waits until so many sessions of this schema's clients sleep in a statement, or
// until the channel is closed.
func (s *stage) napping(sessions int, until <-chan struct{}) error {
	for {
		var n int
		err := s.pool.QueryRow(s.ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE wait_event = 'PgSleep' AND application_name LIKE $1`, s.schema+"%").Scan(&n)
		if err != nil || n >= sessions {
			return err
		}
		select {
		case <-until:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// leaveDead gives the lock to a lease that is gone: its observer died before it took over.
func (s *stage) leaveDead() error {
	return s.exec(`INSERT INTO leasehold.lock (name, fence, holder_lease, holder_ticket, granted_at)
		VALUES ($1, 1, gen_random_uuid(), gen_random_uuid(), now())`, s.name)
}

// copyAll keeps a copy of what is stored.
func (s *stage) copyAll() error {
	return s.exec(`DROP TABLE IF EXISTS leasehold.old_lock, leasehold.old_lease;
		CREATE TABLE leasehold.old_lock AS TABLE leasehold.lock;
		CREATE TABLE leasehold.old_lease AS TABLE leasehold.lease`)
}

// promoteCopy makes the copy what is stored, in another incarnation: as when a standby that
// lags is promoted. sequence is where lease ids go on from.
func (s *stage) promoteCopy(sequence int64) error {
	tx, err := s.pool.Begin(s.ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(s.ctx))
	for _, sql := range []string{
		`LOCK TABLE leasehold.lock, leasehold.lease, leasehold.epoch IN ACCESS EXCLUSIVE MODE`,
		`DELETE FROM leasehold.lock`, `INSERT INTO leasehold.lock TABLE leasehold.old_lock`,
		`DELETE FROM leasehold.lease`, `INSERT INTO leasehold.lease TABLE leasehold.old_lease`,
		`UPDATE leasehold.epoch SET timeline = 'FFFFFFFF'`,
		fmt.Sprintf(`SELECT setval('leasehold.lease_id', %d)`, sequence),
	} {
		if _, err := tx.Exec(s.ctx, s.in(sql)); err != nil {
			return err
		}
	}
	return tx.Commit(s.ctx)
}
