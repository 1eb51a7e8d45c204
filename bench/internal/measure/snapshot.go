package measure

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// contendedSnapshot compares how often 8 processes hand one name over after 20 s with a
// long snapshot open in another transaction of that database, and before it was opened.
// While it is open, no old version of a row can be removed.
func contendedSnapshot() Family {
	return Family{
		Store: "postgres", Names: []string{"contended_8_snapshot"},
		Needs: []server.Kind{server.Postgres}, Take: (*Env).takeSnapshot,
	}
}

// Plan is the course of such a measure.
type Plan struct {
	Before, Open, After time.Duration
	window              time.Duration // of what is compared
}

const (
	aged = 20 * time.Second // how long the snapshot is open before what is compared
	// Slice is what the course is divided into.
	Slice = 500 * time.Millisecond
)

func (e *Env) takeSnapshot(ctx context.Context) ([]Result, error) {
	p := Plan{Before: time.Second, Open: aged + 1500*time.Millisecond, window: 1500 * time.Millisecond}
	if !e.Quick {
		p = Plan{Before: 10 * time.Second, Open: 40 * time.Second, After: 10 * time.Second, window: 5 * time.Second}
	}
	rates, err := e.handOverUnderSnapshot(ctx, p, "contended_snapshot", launchContenders)
	if err != nil {
		return nil, err
	}
	e.Found.addHot(side.Leasehold, p, rates)
	if !e.Quick {
		least, err := e.handOverUnderSnapshot(ctx, p, "contended_snapshot_floor", launchRelay)
		if err != nil {
			return nil, err
		}
		e.Found.addHot(NotifyFloor, p, least)
	}
	late := within(rates, Slice, p.Before+aged, p.Before+aged+p.window)
	before := within(rates, Slice, 0, p.Before)
	return []Result{compare("contended_8_snapshot", handoversPerSecond, []float64{late}, []float64{before})}, nil
}

// handOverUnderSnapshot returns the rate in each slice of the plan.
func (e *Env) handOverUnderSnapshot(ctx context.Context, p Plan, database string,
	launch func(ctx context.Context, url string, n int) (fleet.Fleet, error),
) (rates []float64, err error) {
	url, err := e.Servers.Postgres.Create(ctx, database)
	if err != nil {
		return nil, err
	}
	processes, err := launch(ctx, url, 8)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, processes.Close()) }()
	ended := make(chan error, 1)
	go func() { ended <- holdSnapshot(ctx, url, settling+p.Before, p.Open) }()
	counts, err := shiftOf(processes, p.Before+p.Open+p.After, Slice, func(int) string { return "hot" })
	if err := errors.Join(err, <-ended); err != nil {
		return nil, err
	}
	return perSlice(counts, Slice), nil
}

// holdSnapshot opens a snapshot some time from now, and ends it some time later.
func holdSnapshot(ctx context.Context, url string, from, length time.Duration) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	pause(ctx, from)
	// A serializable transaction would hold more than a snapshot.
	if _, err := conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class`); err != nil {
		return err
	}
	pause(ctx, length)
	_, err = conn.Exec(ctx, `COMMIT`)
	return err
}
