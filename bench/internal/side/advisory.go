package side

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/postgres"
)

// Session is a client whose locks are held by a session.
const Session = "leasehold session"

// OpenSession opens a client on the database at url whose locks are held by a session, with
// fences.
func OpenSession(ctx context.Context, url string) (*Ours, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	o, err := open(ctx, postgres.NewSession(pool, postgres.SessionConfig{}), leasehold.Config{})
	if err != nil {
		pool.Close()
		return nil, err
	}
	o.pool = pool
	return o, nil
}

// Advisory takes and gives back advisory locks of sessions by hand: two prepared
// statements on each of its connections, which write nothing and give no fence.
type Advisory struct {
	conns []*pgx.Conn
}

var advisorySQL = [2]string{`SELECT pg_advisory_lock($1)`, `SELECT pg_advisory_unlock($1)`}

// OpenAdvisory opens connections to the database at url, each for one goroutine.
func OpenAdvisory(ctx context.Context, url string, connections int) (*Advisory, error) {
	a := new(Advisory)
	for range connections {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, errors.Join(err, a.Close())
		}
		a.conns = append(a.conns, conn)
		for _, sql := range advisorySQL {
			if _, err := conn.Prepare(ctx, sql, sql); err != nil {
				return nil, errors.Join(err, a.Close())
			}
		}
	}
	return a, nil
}

// Cycle locks and unlocks the key i on connection i, and calls half between.
func (a *Advisory) Cycle(ctx context.Context, i int, half func()) error {
	if _, err := a.conns[i].Exec(ctx, advisorySQL[0], int64(i)); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	half()
	if _, err := a.conns[i].Exec(ctx, advisorySQL[1], int64(i)); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

// Close closes the connections.
func (a *Advisory) Close() error {
	var errs []error
	for _, conn := range a.conns {
		errs = append(errs, conn.Close(context.Background()))
	}
	return errors.Join(errs...)
}
