package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/cluster"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/draw"
	"github.com/leaseholdgo/leasehold/faults/internal/fleet"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/faults/internal/nemesis"
	"github.com/leaseholdgo/leasehold/faults/internal/remains"
	"github.com/leaseholdgo/leasehold/faults/internal/report"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// hot are the names that all processes fight for.
var hot = []string{"hot/a", "hot/b", "hot/c"}

// modes are the names that are used in other ways.
func (t *trial) modes() []string {
	return slices.DeleteFunc(client.Modes(), func(name string) bool {
		return t.scene.steps > t.ttl && slices.Contains(client.SteadyModes(), name) ||
			database.BySession(t.scene.store) && slices.Contains(client.StoredModes(), name) ||
			t.scene.store == database.MySQLSession && slices.Contains(client.SharedModes(), name)
	})
}

func (t *trial) names() []string { return client.Names(hot, t.modes(), t.clients) }

// trial is one scene for some time.
type trial struct {
	options
	scene    scene
	length   time.Duration
	dir      string // of the histories
	config   database.Config
	cluster  *cluster.Cluster // nil: the database is embedded
	database database.Database
	history  *history.Writer // of the nemeses
	worked   time.Duration
	private  []io.Closer // made for this trial
}

// try runs one trial from beginning to end.
func try(ctx context.Context, o options, s scene, length time.Duration) (r result, err error) {
	started := time.Now()
	t := &trial{options: o, scene: s, length: length}
	if t.dir, err = directory(o.keep, fmt.Sprintf("%s-%d", s.name, o.seed)); err != nil {
		return r, err
	}
	defer func() {
		if err == nil && len(r.Violations) == 0 && o.keep == "" {
			err = os.RemoveAll(t.dir)
		}
	}()
	defer func() { err = errors.Join(err, t.remove(ctx)) }()
	if err := t.provide(ctx); err != nil {
		return r, err
	}
	if err := t.work(ctx, max(length-time.Since(started)-t.reserve(), t.ttl)); err != nil {
		return r, t.inContext(err)
	}
	return t.judge(ctx)
}

// inContext says where the history is that an error left unjudged.
func (t *trial) inContext(err error) error {
	return fmt.Errorf("%w (what was recorded is in %s)", err, t.dir)
}

// longest is the cap of TTLs, and so about as long as nothing is granted after a
// failover.
func (t *trial) longest() time.Duration { return t.ttl * 4 / 3 }

// peace is how long clients work on when the last fault has been healed: longer
// than the pause after a failover.
func (t *trial) peace() time.Duration {
	if t.scene.servers.Standbys > 0 {
		return t.longest() + t.ttl
	}
	return t.ttl
}

// reserve is the part of the length that is kept for what comes after the faults.
func (t *trial) reserve() time.Duration { return t.peace() + 2*t.ttl }

// check judges what happened. The server frees the locks of a session before their holder
// can know: so beliefs may overlap, for as long as the last holder's trust at the most,
// which is a TTL; and so may holds. A grant may be told as late: the reply was on its way
// when the session ended, and the next holder was told first. There is no queue between
// processes, and so no order.
// Everything else is as with other stores.
func (t *trial) check(events []history.Event, left check.Remains) []check.Violation {
	found := check.Run(events, left, t.ttl)
	if !database.BySession(t.scene.store) {
		return found
	}
	return slices.DeleteFunc(found, func(v check.Violation) bool {
		late := v.Kind == check.Overlap || v.Kind == check.Fence && v.Late
		return late && v.To-v.From <= t.ttl || v.Kind == check.Linear || v.Kind == check.Order
	})
}

func directory(keep, name string) (string, error) {
	if keep == "" {
		return os.MkdirTemp("", "leasehold-faults-"+name+"-")
	}
	if err := os.MkdirAll(keep, 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(keep, name+"-")
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
		Places: t.clients, History: t.history, URL: t.address,
		Client: client.Config{
			Database: t.config, Directory: t.dir, Seed: t.seed, Hot: hot, Modes: t.modes(),
			TTL: t.ttl, Tolerance: t.scene.tolerance,
		},
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
		Fleet: f, Places: t.clients, Cluster: t.cluster, History: t.history, Seed: t.seed, TTL: t.ttl,
		Names: t.scene.nemeses, Steps: t.scene.steps, Disk: t.scene.servers.Disk > 0,
	})
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	t.worked = time.Since(started)
	select {
	case <-time.After(t.peace()):
		return f.End(10 * t.ttl)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// address is how the process in a place reaches the database.
func (t *trial) address(place int) string {
	if t.cluster == nil {
		return ""
	}
	return t.cluster.URL(place)
}

// result is everything that is to be said of a trial.
type result struct {
	report.Result
	scene scene
	sum   string // of the history
}

// remains looks at what is left, again after an error. A server whose clock is moved may
// crash yet: the library that does it allocates memory where the server reads the clock
// in a signal's handler, which now and then corrupts that process's memory.
func (t *trial) remains(ctx context.Context) (left check.Remains, err error) {
	for range 10 {
		if err = t.reopen(ctx); err == nil {
			left, err = remains.Read(ctx, t.database, client.Whole(t.names()), t.ttl)
		}
		if err == nil || !backoff.Sleep(ctx, 2*t.ttl) {
			return left, err
		}
	}
	return left, err
}

// judge looks at what is left, and at the history.
func (t *trial) judge(ctx context.Context) (r result, err error) {
	left, err := t.remains(ctx)
	if err != nil {
		return r, t.inContext(err)
	}
	events, err := history.Read(t.dir)
	if err != nil {
		return r, t.inContext(err)
	}
	if r.sum, err = history.Sum(t.dir); err != nil {
		return r, t.inContext(err)
	}
	r.scene = t.scene
	r.Result = report.Result{
		Store: t.scene.store + ", " + t.scene.name, Seed: t.seed, Clients: t.clients, TTL: t.ttl, Worked: t.worked, Directory: t.dir,
		Summary: report.Summarise(events, left), Violations: t.check(events, left),
	}
	if len(r.Violations) > 0 {
		err = draw.File(filepath.Join(t.dir, "history.html"), events, r.Violations)
	}
	return r, err
}
