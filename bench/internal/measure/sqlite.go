package measure

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// sqliteCycles compares what one goroutine does on an SQLite file.
func sqliteCycles() Family {
	return Family{Store: "sqlite", Names: []string{"sqlite_g1"}, Take: (*Env).takeSQLite}
}

// The files are where the servers' are: in the system's temporary directory.
func (e *Env) takeSQLite(ctx context.Context) (results []Result, err error) {
	dir, err := os.MkdirTemp("", "leasehold-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	client, err := side.OpenSQLite(ctx, filepath.Join(dir, "locks.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	floor, err := side.OpenSQLiteFloor(ctx, filepath.Join(dir, "floor.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, floor.Close()) }()

	window := e.window(200*time.Millisecond, time.Second)
	turn := func(name string, do cycle) contestant {
		return contestant{name, func(ctx context.Context) (float64, error) { return rate(ctx, 1, window, do) }}
	}
	reached, err := e.contest(ctx, e.rounds(4, 10), []contestant{turn(side.Leasehold, cycleOf(client)), turn("floor", floor.Cycle)})
	if err != nil {
		return nil, err
	}
	return []Result{compare("sqlite_g1", perSecond, reached[side.Leasehold], reached["floor"])}, nil
}
