package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// mysqlCycles compares what n goroutines of one process do on MariaDB, each acquiring and
// releasing a name of its own again and again.
func mysqlCycles(n int) Family {
	name := fmt.Sprint("mariadb_g", n)
	return Family{
		Store: "mysql", Names: []string{name}, Needs: []server.Kind{server.MariaDB},
		Take: func(e *Env, ctx context.Context) ([]Result, error) { return e.takeMySQL(ctx, name, n) },
	}
}

func (e *Env) takeMySQL(ctx context.Context, name string, n int) (results []Result, err error) {
	url := e.Servers.MariaDB.URL()
	client, err := side.OpenMySQL(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	floor, err := side.OpenMySQLFloor(ctx, url, n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, floor.Close()) }()

	ours := cycleOf(client)
	if err := once(ctx, n, func(ctx context.Context, i int) error { return ours(ctx, i, func() {}) }); err != nil {
		return nil, err
	}
	window := e.window(250*time.Millisecond, time.Second)
	turn := func(name string, do cycle) contestant {
		return contestant{name, func(ctx context.Context) (float64, error) { return rate(ctx, n, window, do) }}
	}
	reached, err := e.contest(ctx, e.rounds(4, 10), []contestant{turn(side.Leasehold, ours), turn("floor", floor.Cycle)})
	if err != nil {
		return nil, err
	}
	return []Result{compare(name, perSecond, reached[side.Leasehold], reached["floor"])}, nil
}
