package distrlock_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/compat/distrlock"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/mysql"
	"github.com/leaseholdgo/leasehold/postgres"
)

// service is a program on its way from the table to Leasehold's own.
type service struct {
	db      *sql.DB
	dialect distrlock.Dialect
	client  *leasehold.Client
}

// first runs work on the table alone.
func (s service) first(ctx context.Context, work func(context.Context) error) error {
	return distrlock.DoExclusively(ctx, s.db, s.dialect, "k", work)
}

// second runs work under both, the table's first.
func (s service) second(ctx context.Context, work func(context.Context) error) error {
	return distrlock.DoExclusively(ctx, s.db, s.dialect, "k", func(ctx context.Context) error {
		return s.third(ctx, work)
	})
}

// third runs work on Leasehold's own tables alone.
func (s service) third(ctx context.Context, work func(context.Context) error) error {
	return s.client.TryDo(ctx, "k", func(ctx context.Context, _ *leasehold.Lock) error { return work(ctx) })
}

// A fleet goes from one step to the next, process by process. Those of two steps that follow each other exclude each
// other, and all make progress.
func TestMigration_StepByStep(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, step := range []struct {
			before, after func(service, context.Context, func(context.Context) error) error
		}{
			{service.first, service.second},
			{service.second, service.third},
		} {
			var c crowd
			end := c.endsAfter(2 * time.Second)
			var wg sync.WaitGroup
			for range 2 {
				a, b := p.service(), p.service()
				wg.Go(func() { c.turns(end, t, &c.old, turn(a, step.before, &c)) })
				wg.Go(func() { c.turns(end, t, &c.new, turn(b, step.after, &c)) })
			}
			wg.Wait()
			c.judge(t)
		}
	}, distrlock.DialectPgx, distrlock.DialectMySQL)
}

func turn(s service, do func(service, context.Context, func(context.Context) error) error, c *crowd) func() (bool, error) {
	return func() (bool, error) {
		err := do(s, context.Background(), func(context.Context) error { c.enter(); return nil })
		if errors.Is(err, distrlock.ErrLockAlreadyAcquired) || errors.Is(err, leasehold.ErrHeld) {
			return false, nil
		}
		return err == nil, err
	}
}

// service returns one with connections of its own.
func (p *place) service() service {
	p.t.Helper()
	client, err := leasehold.Open(p.t.Context(), p.native(), leasehold.Config{})
	must(p.t, err)
	p.t.Cleanup(func() { must(p.t, client.Close()) })
	return service{p.open(""), p.dialect, client}
}

// native returns a store of Leasehold's own tables.
func (p *place) native() driver.Store {
	p.t.Helper()
	u, err := url.Parse(serverURL(p.t, p.dialect))
	must(p.t, err)
	if isMySQL(p.dialect) {
		u.Path = "/" + p.name
		return mysql.Open(u.String(), mysql.Config{})
	}
	pool, err := pgxpool.New(p.t.Context(), u.String())
	must(p.t, err)
	p.t.Cleanup(pool.Close)
	return postgres.New(pool, postgres.Config{Schema: p.name})
}
