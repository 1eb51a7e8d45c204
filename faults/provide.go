package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/leaseholdgo/leasehold/faults/internal/cluster"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
)

// provide makes the database of the trial, with its counters. The caller calls
// remove, whatever the error.
func (t *trial) provide(ctx context.Context) error {
	t.config = database.Config{Kind: t.scene.store, Path: filepath.Join(t.dir, "locks.db"), Schema: t.schema(), Longest: t.longest(), NoGrace: t.noGrace}
	if database.OnServer(t.scene.store) {
		var err error
		if t.cluster, err = t.startCluster(ctx); err != nil {
			return err
		}
		t.private = append(t.private, t.cluster)
		t.config.URL = t.cluster.Direct()
	}
	if t.url != "" { // of a run that was killed
		if err := database.Drop(ctx, t.config); err != nil {
			return err
		}
	}
	if err := t.reopen(ctx); err != nil {
		return err
	}
	return t.database.Prepare(ctx, t.names())
}

// schema is where the tables are: in somebody else's database, where nobody else
// has any.
func (t *trial) schema() string {
	if t.url == "" {
		return "leasehold"
	}
	return "leasehold_faults"
}

func (t *trial) startCluster(ctx context.Context) (*cluster.Cluster, error) {
	if t.url != "" {
		return cluster.Outside(t.url, t.clients, t.scene.networked(), t.seed)
	}
	cfg := t.scene.servers
	cfg.Places, cfg.Seed, cfg.MariaDB = t.clients, t.seed, database.OnMariaDB(t.scene.store)
	return cluster.Start(ctx, cfg)
}

// reopen opens the database for what comes before the work and after it: the
// primary may be another one then.
func (t *trial) reopen(ctx context.Context) error {
	if t.database != nil {
		if err := t.database.Close(); err != nil {
			return err
		}
		t.database = nil
	}
	if t.cluster != nil {
		t.config.URL = t.cluster.Direct()
	}
	db, err := database.Open(ctx, t.config)
	if err == nil {
		t.database = db
	}
	return err
}

// remove removes what provide has made.
func (t *trial) remove(ctx context.Context) error {
	var errs []error
	if t.database != nil {
		errs = append(errs, t.database.Close())
	}
	if t.url != "" {
		errs = append(errs, database.Drop(context.WithoutCancel(ctx), t.config))
	}
	for _, made := range slices.Backward(t.private) {
		errs = append(errs, made.Close())
	}
	return errors.Join(errs...)
}
