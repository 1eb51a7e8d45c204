package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// provide makes the database of the trial, with its counters. The caller calls
// remove, whatever the error.
func (t *trial) provide(ctx context.Context) error {
	t.config = database.Config{Kind: t.store, Path: filepath.Join(t.dir, "locks.db")}
	if t.store == database.Postgres {
		server, err := pgserver.Start(ctx, pgserver.Config{})
		if err != nil {
			return err
		}
		t.private = append(t.private, server)
		t.config.URL = server.URL()
		t.server = pgNemesis{server, rand.New(rand.NewPCG(t.seed, 1))}
	}
	db, err := database.Open(ctx, t.config)
	if err != nil {
		return err
	}
	t.private = append(t.private, db)
	t.database = db
	return db.Prepare(ctx, client.Names(hot, t.clients))
}

// remove removes what provide has made.
func (t *trial) remove() error {
	var errs []error
	for _, made := range slices.Backward(t.private) {
		errs = append(errs, made.Close())
	}
	return errors.Join(errs...)
}

// pgNemesis is a PostgreSQL server as nemeses see it.
type pgNemesis struct {
	server *pgserver.Server
	r      *rand.Rand
}

// Terminate ends up to eight sessions.
func (n pgNemesis) Terminate(ctx context.Context) error {
	_, err := n.server.Query(ctx, fmt.Sprintf(`select count(pg_terminate_backend(pid)) from (
		select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
		order by random() limit %d) as chosen`, 1+n.r.IntN(8)))
	return err
}

func (n pgNemesis) Crash() error                      { return n.server.Kill() }
func (n pgNemesis) Stop() error                       { return n.server.Stop(pgserver.Fast) }
func (n pgNemesis) Restart(ctx context.Context) error { return n.server.Restart(ctx) }
