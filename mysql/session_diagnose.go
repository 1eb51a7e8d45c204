package mysql

import (
	"context"
	"database/sql"
	"errors"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

var _ driver.Diagnoser = (*SessionStore)(nil)

// Diagnose looks whether the server is fit to hold locks by sessions, and returns what it
// found, in a fixed order: the server, whether it belongs to a cluster, what is in between,
// named locks, whether the server tells who has them, latency, and clock.
//
// It takes two named locks of its own for a moment, and changes no table. Errors, bounds and
// cost are as those of Store.Diagnose.
func (s *SessionStore) Diagnose(ctx context.Context) ([]driver.Finding, error) {
	return s.store.examine(ctx, "this server is read-only: it draws no fences", (*examination).sessionChecks)
}

func (x *examination) sessionChecks() []diagnosis.Check {
	return []diagnosis.Check{
		{Name: "server", Run: x.version},
		{Name: "cluster", Run: x.nodes},
		{Name: "proxy", Run: x.proxy},
		{Name: "named locks", Run: x.several},
		{Name: "holders", Run: x.holders},
		{Name: "latency", Run: x.latency},
		{Name: "clock", Run: x.clock},
	}
}

func (x *examination) nodes(ctx context.Context) (driver.Finding, error) {
	nodes, err := x.writers(ctx)
	switch {
	case err != nil || nodes == "":
		return diagnosis.OK("the server takes writes, and does not share that with other nodes"), err
	case x.cfg.SingleWriter:
		return diagnosis.Warning("send all clients to one node at a time", "%s", nodes), nil
	}
	return diagnosis.Problem("use locks in tables, or one node, and say so in the configuration",
		"%s: named locks do not reach other nodes", nodes), nil
}

func (x *examination) proxy(ctx context.Context) (driver.Finding, error) {
	h := &named{}
	if err := x.run(ctx, statement{"SELECT CONNECTION_ID()", row(&h.id)}); err != nil {
		return driver.Finding{}, err
	}
	err := h.refusePooler(ctx, x.session)
	if errors.Is(err, errPooler) {
		return diagnosis.Problem("connect to the server itself, or use locks in tables", "a proxy that shares connections is in between"), nil
	}
	return diagnosis.OK("the connection is the server's own, or keeps one for as long as it lasts"), err
}

// several looks whether one session may have several named locks: older servers give the
// first up for the second.
func (x *examination) several(ctx context.Context) (driver.Finding, error) {
	first, second := x.mark+"_1", x.mark+"_2"
	var both sql.NullBool
	err := x.run(ctx, statement{"SELECT GET_LOCK('" + first + "', 0) = 1 AND GET_LOCK('" + second + "', 0) = 1 AND IS_USED_LOCK('" + first +
		"') = CONNECTION_ID() AND RELEASE_LOCK('" + first + "') = 1 AND RELEASE_LOCK('" + second + "') = 1", row(&both)})
	switch {
	case err != nil:
		return driver.Finding{}, err
	case !both.Bool:
		return diagnosis.Problem("upgrade the server", "a session cannot hold several named locks"), nil
	}
	return diagnosis.OK("a session holds several"), nil
}

func (x *examination) holders(ctx context.Context) (driver.Finding, error) {
	names, _, err := x.namedLocks(ctx)
	if errors.Is(err, driver.ErrUnsupported) {
		return driver.Finding{
			Level: driver.LevelOK, Finding: "the server does not tell which named locks there are",
			Advice: "for `leasehold ls --session`: MySQL: let the user read performance_schema; MariaDB: INSTALL SONAME 'metadata_lock_info'",
		}, nil
	}
	return diagnosis.OK("%d locks are held by sessions", len(names)), err
}
