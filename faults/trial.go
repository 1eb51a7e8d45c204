package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/fleet"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/faults/internal/nemesis"
	"github.com/leaseholdgo/leasehold/faults/internal/report"
)

// hot are the names that all processes fight for.
var hot = []string{"hot/a", "hot/b", "hot/c"}

// trial is one store under faults.
type trial struct {
	options
	store    string
	dir      string // of the histories
	config   database.Config
	server   nemesis.Server // nil if the store has none
	database database.Database
	history  *history.Writer // of the nemeses
	worked   time.Duration
	private  []io.Closer // made for this trial
}

// try runs one trial from beginning to end.
func try(ctx context.Context, o options, store string) (result report.Result, err error) {
	started := time.Now()
	t := &trial{options: o, store: store}
	if t.dir, err = directory(o.keep, store); err != nil {
		return result, err
	}
	defer func() {
		if err == nil && len(result.Violations) == 0 && o.keep == "" {
			err = os.RemoveAll(t.dir)
		}
	}()
	defer func() { err = errors.Join(err, t.remove()) }()
	if err := t.provide(ctx); err != nil {
		return result, err
	}
	if err := t.work(ctx, o.share()-time.Since(started)-t.reserve()); err != nil {
		return result, t.inContext(err)
	}
	return t.judge(ctx)
}

// inContext says where the history is that an error left unjudged.
func (t *trial) inContext(err error) error {
	return fmt.Errorf("%w (what was recorded is in %s)", err, t.dir)
}

// reserve is the part of the share that is kept for what comes after the work.
func (t *trial) reserve() time.Duration { return 2 * t.ttl }

func directory(keep, store string) (string, error) {
	if keep == "" {
		return os.MkdirTemp("", "leasehold-faults-"+store+"-")
	}
	dir := filepath.Join(keep, store)
	return dir, os.MkdirAll(dir, 0o700)
}

// work lets clients and nemeses loose for some time, and waits until the clients
// have ended.
func (t *trial) work(ctx context.Context, d time.Duration) (err error) {
	if t.history, err = history.Create(t.dir, "nemesis"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.history.Close()) }()
	started := time.Now()
	f, err := fleet.Start(fleet.Config{
		Places: t.clients, History: t.history,
		Client: client.Config{Database: t.config, Directory: t.dir, Seed: t.seed, TTL: t.ttl, Hot: hot},
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Kill()
		}
	}()
	harm, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err = nemesis.Run(harm, nemesis.Config{
		Fleet: f, Places: t.clients, Server: t.server, History: t.history, Seed: t.seed, TTL: t.ttl,
	})
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	t.worked = time.Since(started)
	return f.End(10 * t.ttl)
}

// judge looks at what is left, and at the history.
func (t *trial) judge(ctx context.Context) (report.Result, error) {
	remains, err := t.remains(ctx)
	if err != nil {
		return report.Result{}, t.inContext(err)
	}
	events, err := history.Read(t.dir)
	if err != nil {
		return report.Result{}, t.inContext(err)
	}
	return report.Result{
		Store: t.store, Seed: t.seed, Clients: t.clients, TTL: t.ttl, Worked: t.worked, Directory: t.dir,
		Summary: report.Summarise(events, remains), Violations: check.Run(events, remains, t.ttl),
	}, nil
}
