package measure

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// PerLock is what most lock libraries do on a database: they keep each lock alive by a
// statement of its own.
const PerLock = "one statement per lock"

// holdOtherwise measures what it costs others to keep as many locks alive once, one after
// the other on one connection.
func (e *Env) holdOtherwise(ctx context.Context, url string, sizes []int) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `
		CREATE TABLE kept (name text PRIMARY KEY, alive_at timestamptz NOT NULL) WITH (fillfactor = 50);
		INSERT INTO kept SELECT 'name-' || i, now() FROM generate_series(0, 9999) AS i`); err != nil {
		return err
	}
	redis := side.OpenRedsync(e.Servers.Redis.Addr, 1)
	keeper, err := redis.Keep(ctx, sizes[len(sizes)-1])
	if err != nil {
		return errors.Join(err, redis.Close())
	}
	for _, n := range sizes {
		start := time.Now()
		for i := range n {
			if _, err := conn.Exec(ctx, `UPDATE kept SET alive_at = now() WHERE name = $1`, side.Name(i)); err != nil {
				return errors.Join(err, redis.Close())
			}
		}
		e.Found.addHolding(Holding{Side: PerLock, Locks: n, Statements: float64(n), Took: milliseconds(start)})
		start = time.Now()
		if err := keeper(ctx, n); err != nil {
			return errors.Join(err, redis.Close())
		}
		e.Found.addHolding(Holding{Side: side.RedsyncOf, Locks: n, Statements: float64(n), Took: milliseconds(start)})
	}
	return redis.Close()
}

func milliseconds(since time.Time) float64 {
	return float64(time.Since(since)) / float64(time.Millisecond)
}
