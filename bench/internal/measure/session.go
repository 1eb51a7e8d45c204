package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// advisoryConnections is how many connections take advisory locks by hand.
const advisoryConnections = 8

// sessionCycles compares what n goroutines of one process do, each acquiring and releasing
// a name of its own again and again, with locks that a session holds; against
// advisory locks by hand on 8 connections.
func sessionCycles(n int) Family {
	name := fmt.Sprint("session_g", n)
	return Family{Store: "postgres", Names: []string{name}, Needs: []server.Kind{server.Postgres},
		Take: func(e *Env, ctx context.Context) ([]Result, error) { return e.takeSessionCycles(ctx, n, name) }}
}

func (e *Env) takeSessionCycles(ctx context.Context, n int, name string) (results []Result, err error) {
	url, err := e.Servers.Postgres.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	ours, err := side.OpenSession(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()
	byHand, err := side.OpenAdvisory(ctx, url, advisoryConnections)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, byHand.Close()) }()
	window := e.window(250*time.Millisecond, time.Second)
	const floor = "by hand"
	reached, err := e.contest(ctx, e.rounds(4, 9), []contestant{
		{side.Session, func(ctx context.Context) (float64, error) { return rate(ctx, n, window, cycleOf(ours)) }},
		{floor, func(ctx context.Context) (float64, error) {
			return rate(ctx, advisoryConnections, window, byHand.Cycle)
		}},
	})
	if err != nil {
		return nil, err
	}
	return []Result{compare(name, perSecond, reached[side.Session], reached[floor])}, nil
}
