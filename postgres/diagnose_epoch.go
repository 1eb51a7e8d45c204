package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// probe returns the connection as a session that knows what the server tells of
// itself, and the statements for it.
func (x *examination) probe(ctx context.Context) (*session, *statements, error) {
	s := &session{Conn: x.conn}
	if err := s.identify(ctx); err != nil {
		return nil, nil, err
	}
	sql := newStatements(x.cfg)
	if s.blind {
		sql = sql.blind()
	}
	return s, sql, nil
}

// incarnation looks whether a failover can be noticed.
func (x *examination) incarnation(ctx context.Context) (driver.Finding, error) {
	if x.standby {
		return driver.Finding{}, nil // it writes no log, and so has no place in one
	}
	s, _, err := x.probe(ctx)
	if err != nil {
		return driver.Finding{}, err
	}
	var untold []string
	if s.system == nil {
		untold = append(untold, "its system identifier (a restored copy looks like the original)")
	}
	if s.blind {
		untold = append(untold, "its timeline (a standby that was promoted looks like the old primary)")
	}
	if len(untold) > 0 {
		return diagnosis.Warning(
			"let the role call pg_control_system(), pg_walfile_name() and pg_current_wal_insert_lsn(); where the service "+
				"has no such functions, use synchronous replication or guards, and `leasehold migrate --new-epoch` after a restore",
			"the server does not tell this role %s: no pause in granting follows", strings.Join(untold, ", nor ")), nil
	}
	return diagnosis.OK("system %s, timeline %s: a failover is noticed", *s.system, strings.TrimLeft(*s.timeline, "0")), nil
}

// epoch looks whether the incarnation grants.
func (x *examination) epoch(ctx context.Context) (driver.Finding, error) {
	if !x.tables || x.standby {
		return driver.Finding{}, nil
	}
	s, sql, err := x.probe(ctx)
	if err != nil {
		return driver.Finding{}, err
	}
	m, err := s.readMeta(ctx, sql)
	if hasCode(err, codeNoPrivilege) {
		return driver.Finding{}, nil // said under privileges
	}
	if err != nil {
		return driver.Finding{}, err
	}
	return m.finding(), nil
}

func (m meta) finding() driver.Finding {
	longest := m.longest()
	tolerance, _ := liveness.GraceTolerance(0, longest)
	switch {
	case m.epoch == 0:
		return diagnosis.OK("no client has connected so far")
	case !m.same:
		return diagnosis.Warning("wait: it passes by itself",
			"the database was failed over or restored, and no client has seen it since: the first one that does begins a pause in granting of up to %v", longest+tolerance)
	case !m.granting:
		return diagnosis.Warning("wait: it passes by itself",
			"the database was failed over or restored %v ago: nothing is granted for up to another %v", m.age.Round(time.Second), max(longest+tolerance-m.age, 0).Round(time.Second))
	}
	return diagnosis.OK("granting; this incarnation was first seen %v ago", max(m.age, 0).Round(time.Second))
}

// longest returns the cap on TTLs, 0 where it cannot be read.
func (x *examination) longest(ctx context.Context) time.Duration {
	var ms int64
	if err := x.conn.QueryRow(ctx, x.cfg.render(`SELECT max_ttl_ms FROM leasehold.meta`)).Scan(&ms); err != nil {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// standbys is what a primary tells of its replication.
type standbys struct {
	connected, synchronous int
	hidden                 int  // connected, and their state is not shown to this role
	grace                  bool // as the tables say; true where they do not
	required               bool // commits wait for synchronous ones
	names                  string
}

func (x *examination) replication(ctx context.Context) (driver.Finding, error) {
	if x.standby {
		return driver.Finding{}, nil
	}
	s := standbys{grace: true, names: x.settings["synchronous_standby_names"].value}
	s.required = strings.TrimSpace(s.names) != ""
	const sql = `SELECT count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), count(*) FILTER (WHERE sync_state IS NULL)
		FROM pg_stat_replication`
	if err := x.conn.QueryRow(ctx, sql).Scan(&s.connected, &s.synchronous, &s.hidden); err != nil {
		return driver.Finding{}, err
	}
	if x.tables {
		if err := x.conn.QueryRow(ctx, x.cfg.render(`SELECT grace FROM leasehold.meta`)).Scan(&s.grace); err != nil {
			return driver.Finding{}, err
		}
	}
	return s.finding(), nil
}

func (s standbys) finding() driver.Finding {
	const turnOn = "turn it on with `leasehold migrate --grace=on`, or make replication synchronous"
	switch {
	case s.required && s.synchronous == 0 && s.hidden == 0:
		return diagnosis.Problem("connect a synchronous standby, or empty synchronous_standby_names",
			"synchronous_standby_names is %q and no such standby is connected: every commit waits", s.names)
	case s.required && s.grace:
		return diagnosis.OK("synchronous, and there is a pause in granting after a failover (not needed if only synchronous standbys are promoted)")
	case s.required:
		return diagnosis.OK("synchronous, and no pause in granting after a failover: promote synchronous standbys only")
	case s.connected > 0 && !s.grace:
		return diagnosis.Problem(turnOn,
			"%d asynchronous standbys, and the pause in granting after a failover is turned off: one that is promoted may grant what is still held", s.connected)
	case s.connected > 0:
		return diagnosis.OK("%d asynchronous standbys: after a promotion nothing is granted until all locks from before have run out", s.connected)
	case !s.grace:
		return diagnosis.Warning(turnOn,
			"no standby, and the pause in granting after a failover or a restore is turned off")
	}
	return diagnosis.OK("no standby is connected")
}
