package torture

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// hot are the names that all clients fight for.
var hot = []string{"hot/a", "hot/b"}

// trial is one run.
type trial struct {
	Config
	dir      string // of the histories
	arena    arena
	database database.Database // for Prepare, and for what is left
}

// arena is a database that clients work on, and what may be done to it.
type arena interface {
	kind() string
	// prepare makes the arena.
	prepare(ctx context.Context) error
	// open returns the database as the client in that place reaches it.
	open(ctx context.Context, place int) (database.Database, error)
	// faults returns what may happen to the client in a place, or to all.
	faults() []fault
	// remove removes everything that prepare made.
	remove() error
}

// provide makes the arena, with its counters.
func (t *trial) provide(ctx context.Context) (err error) {
	if t.URL != "" {
		t.arena, err = newPostgres(t.Config)
	} else {
		t.arena, err = newSQLite(t.Config)
	}
	if err != nil {
		return err
	}
	if err := t.arena.prepare(ctx); err != nil {
		return err
	}
	if t.database, err = t.arena.open(ctx, outside); err != nil {
		return err
	}
	return t.database.Prepare(ctx, t.names())
}

// outside is the place of those that no fault touches.
const outside = -1

func (t *trial) names() []string { return client.Names(hot, client.Modes(), t.Clients) }

func (t *trial) remove() error {
	var errs []error
	if t.database != nil {
		errs = append(errs, t.database.Close())
	}
	if t.arena != nil {
		errs = append(errs, t.arena.remove())
	}
	return errors.Join(errs...)
}

// work lets clients and faults loose, and waits until the clients have ended.
func (t *trial) work(ctx context.Context) (worked time.Duration, err error) {
	w, err := history.Create(t.dir, "faults")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	harm, stop := context.WithTimeout(ctx, t.Duration)
	defer stop()
	started := time.Now()
	clients, endClients := context.WithCancel(context.WithoutCancel(ctx))
	defer endClients()
	var wg sync.WaitGroup
	errs := make([]error, t.Clients)
	for place := range t.Clients {
		wg.Go(func() {
			if errs[place] = t.client(clients, place); errs[place] != nil {
				stop()
			}
		})
	}
	t.harm(harm, w)
	worked = time.Since(started)
	endClients()
	wg.Wait()
	return worked, errors.Join(append(errs, ctx.Err())...)
}

// client is what works in one place.
func (t *trial) client(ctx context.Context, place int) (err error) {
	process := processOf(place)
	w, err := history.Create(t.dir, process)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	db, err := t.arena.open(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return client.Run(ctx, client.Config{
		Database: database.Config{Kind: t.arena.kind()},
		Process:  process, Seed: t.Seed + uint64(place)<<32, TTL: t.TTL,
		Hot: hot, Private: client.PrivateName(place), Modes: client.Modes(),
	}, db, w)
}

// processOf names what works in a place.
func processOf(place int) string { return fmt.Sprintf("%d.1", place) }
