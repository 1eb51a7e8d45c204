package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

var _ driver.Diagnoser = (*SessionStore)(nil)

// ofSessions are the checks of Store.Diagnose that matter to locks of sessions, too.
var ofSessions = []string{"server", "primary", "pooler", "latency", "clock"}

// Diagnose looks whether the server is fit to hold locks by sessions, and returns what it
// found, in a fixed order: the server, whether it is the primary, what is in between, latency,
// clock, and how many locks it has room for. It makes no lock and changes no table. Errors,
// bounds and cost are as those of Store.Diagnose.
func (s *SessionStore) Diagnose(ctx context.Context) ([]driver.Finding, error) {
	if err := s.cfg.tables().validate(); err != nil {
		return nil, err
	}
	x := &examination{cfg: s.cfg.tables(), dialer: newDialer(s.pool, migrateTTL), span: clockSpan}
	defer x.close()
	if err := x.contact(ctx); err != nil {
		return nil, classify(refusedSetting(err))
	}
	checks := slices.DeleteFunc(x.checks(), func(c diagnosis.Check) bool { return !slices.Contains(ofSessions, c.Name) })
	findings := diagnosis.Run(ctx, checkLimit, append(checks, diagnosis.Check{Name: "lock table", Run: x.lockTable}))
	if err := cmp.Or(x.lost, ctxError(ctx)); err != nil {
		return nil, classify(err)
	}
	return findings, nil
}

// lockTable looks how many locks the server has room for, all sessions together: more than
// this, depending on what else it has in memory.
func (x *examination) lockTable(ctx context.Context) (driver.Finding, error) {
	var used, room int
	const sql = `SELECT (SELECT count(*)::int FROM pg_catalog.pg_locks WHERE NOT fastpath),
		current_setting('max_locks_per_transaction')::int *
		(current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)`
	if err := x.conn.QueryRow(ctx, sql).Scan(&used, &room); err != nil {
		return driver.Finding{}, err
	}
	if 2*used > room {
		return diagnosis.Warning("raise max_locks_per_transaction", "%d of about %d locks are taken, of all kinds", used, room), nil
	}
	return diagnosis.OK("%d of about %d locks are taken, of all kinds", used, room), nil
}
