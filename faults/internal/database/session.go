package database

import (
	"context"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/postgres"
)

// sessionDatabase is a database of PostgreSQL whose locks are held by sessions.
type sessionDatabase struct{ pgDatabase }

func openSession(ctx context.Context, c Config) (Database, error) {
	db, err := openPostgres(ctx, c)
	if err != nil {
		return nil, err
	}
	return sessionDatabase{db.(pgDatabase)}, nil
}

func (d sessionDatabase) Store() driver.Store {
	return postgres.NewSession(d.pool, postgres.SessionConfig{Schema: d.cfg.Schema})
}

// Owners returns nobody: there is no row of any lease.
func (d sessionDatabase) Owners(context.Context) ([]string, error) { return nil, nil }
