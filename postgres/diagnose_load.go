package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

// perClient is how many connections a client opens.
const perClient = 3

// open returns how many connections this examination has.
func (x *examination) open() int {
	if x.own != nil {
		return 2
	}
	return 1
}

// connections looks how many more the server, the database and the role allow.
func (x *examination) connections(ctx context.Context) (driver.Finding, error) {
	var used, inDatabase, ofRole, databaseLimit, roleLimit int
	const sql = `SELECT (SELECT sum(numbackends)::int FROM pg_stat_database),
		(SELECT numbackends FROM pg_stat_database WHERE datname = current_database()),
		(SELECT count(*)::int FROM pg_stat_activity WHERE usename = session_user),
		(SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
		(SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user)`
	if err := x.conn.QueryRow(ctx, sql).Scan(&used, &inDatabase, &ofRole, &databaseLimit, &roleLimit); err != nil {
		return driver.Finding{}, err
	}
	reserved := x.number("superuser_reserved_connections") + x.number("reserved_connections")
	limit, where := x.number("max_connections")-reserved, "the server"
	free := limit - used
	for _, l := range []struct {
		limit, used int
		where       string
	}{{databaseLimit, inDatabase, "the database"}, {roleLimit, ofRole, "the role"}} {
		if l.limit >= 0 && l.limit-l.used < free {
			limit, free, where = l.limit, l.limit-l.used, l.where
		}
	}
	free = max(free+x.open(), 0)
	advice := fmt.Sprintf("raise the limit: each client opens up to %d connections of its own", perClient)
	switch {
	case free < perClient:
		return diagnosis.Problem(advice, "%d of %d connections that %s allows are free", free, limit, where), nil
	case free < 4*perClient:
		return diagnosis.Warning(advice, "%d of %d connections that %s allows are free: room for %d clients", free, limit, where, free/perClient), nil
	}
	return diagnosis.OK("%d of %d connections that %s allows are free: room for %d clients", free, limit, where, free/perClient), nil
}

const (
	longTransaction = 5 * time.Minute
	longIdle        = time.Minute
	farBehind       = 1e6 // transactions
)

// snapshots looks for what keeps dead rows from being cleaned away: each renewal
// leaves one, and the next has to step over it.
func (x *examination) snapshots(ctx context.Context) (driver.Finding, error) {
	s, err := x.snapshot(ctx)
	if err != nil {
		return driver.Finding{}, err
	}
	return s.finding(x.role), nil
}

// snapshot is what the server tells of what is open. Times are in seconds.
type snapshot struct {
	oldest, idle float64 // transactions; those that do nothing
	prepared     float64 // the oldest prepared transaction
	slots        float64 // transactions that an inactive slot is behind
	standbys     float64 // transactions that a standby's snapshot is behind
	hidden       int     // sessions that this role may not look at
}

func (x *examination) snapshot(ctx context.Context) (snapshot, error) {
	var s snapshot
	const sql = `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8,
		coalesce(extract(epoch FROM clock_timestamp() - min(state_change) FILTER (WHERE state LIKE 'idle in transaction%')), 0)::float8,
		(SELECT coalesce(extract(epoch FROM clock_timestamp() - min(p.prepared)), 0)::float8 FROM pg_prepared_xacts AS p),
		(SELECT coalesce(max(greatest(age(r.xmin), age(r.catalog_xmin))), 0)::float8 FROM pg_replication_slots AS r WHERE NOT r.active),
		(SELECT coalesce(max(age(w.backend_xmin)), 0)::float8 FROM pg_stat_replication AS w),
		count(*) FILTER (WHERE backend_type IS NULL AND datid IS NOT NULL)::int
		FROM pg_stat_activity WHERE pid <> pg_backend_pid()`
	err := x.conn.QueryRow(ctx, sql).Scan(&s.oldest, &s.idle, &s.prepared, &s.slots, &s.standbys, &s.hidden)
	return s, err
}

func (s snapshot) finding(role string) driver.Finding {
	const advice = "end it: dead rows cannot be cleaned away meanwhile, and every renewal gets slower"
	switch old, idle := seconds(max(s.oldest, s.prepared)), seconds(s.idle); {
	case old > longTransaction:
		return diagnosis.Warning(advice, "a transaction has been open for %v", old)
	case idle > longIdle:
		return diagnosis.Warning(advice, "a session has been idle in a transaction for %v", idle)
	case s.slots > farBehind:
		return diagnosis.Warning("drop the slot if nobody comes for it: it keeps dead rows from being cleaned away",
			"an inactive replication slot is %.0f transactions behind", s.slots)
	case s.standbys > farBehind:
		return diagnosis.Warning("end the long query on the standby, or set hot_standby_feedback = off there",
			"a standby's oldest snapshot is %.0f transactions behind", s.standbys)
	case s.hidden > 0:
		found := diagnosis.OK("no old transaction that this role may see; %d sessions of others are hidden from it", s.hidden)
		found.Advice = "to see those too: GRANT pg_read_all_stats TO " + role
		return found
	}
	return diagnosis.OK("no old transaction")
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

const (
	bloat   = 64 << 20 // bytes of a table, below which nothing is said
	perRow  = 4 << 10  // bytes of a table for each live row, above which it is mostly air
	manyHot = 0.9      // part of the updates that should stay within their page
)

// rows looks how large the two tables are that change.
func (x *examination) rows(ctx context.Context) (driver.Finding, error) {
	const sql = `SELECT s.relname::text, s.n_live_tup, s.n_dead_tup, pg_total_relation_size(s.relid), s.n_tup_upd, s.n_tup_hot_upd,
		EXISTS (SELECT FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean)
		FROM pg_stat_all_tables AS s JOIN pg_class AS c ON c.oid = s.relid
		WHERE s.schemaname = $1::text AND s.relname = ANY ($2::text[]) ORDER BY 1 DESC`
	rows, err := x.conn.Query(ctx, sql, x.schemaName(), []string{x.table("lock"), x.table("lease")})
	if err != nil {
		return driver.Finding{}, err
	}
	defer rows.Close()
	var sizes []string
	for rows.Next() {
		var t tableSize
		if err := rows.Scan(&t.name, &t.live, &t.dead, &t.bytes, &t.updates, &t.hot, &t.unclean); err != nil {
			return driver.Finding{}, err
		}
		if found := t.finding(); found.Level != driver.LevelOK {
			return found, nil
		}
		sizes = append(sizes, t.String())
	}
	if len(sizes) == 0 {
		return driver.Finding{}, rows.Err()
	}
	return diagnosis.OK("%s", strings.Join(sizes, "; ")), rows.Err()
}

// tableSize is what the server counts of one table.
type tableSize struct {
	name                            string
	live, dead, bytes, updates, hot int64
	unclean                         bool // autovacuum is turned off for it
}

func (t tableSize) String() string {
	return fmt.Sprintf("%s: %d rows, %d dead, %.1f MB", t.name, t.live, t.dead, float64(t.bytes)/(1<<20))
}

func (t tableSize) finding() driver.Finding {
	switch {
	case t.unclean:
		return diagnosis.Warning("ALTER TABLE ... RESET (autovacuum_enabled)", "autovacuum is turned off for %s", t)
	case t.bytes > bloat && t.bytes > perRow*max(t.live, 1):
		return diagnosis.Warning("VACUUM FULL it at a quiet moment: locks wait meanwhile", "%s: most of it is air", t)
	case t.updates > 100_000 && float64(t.hot) < manyHot*float64(t.updates):
		return diagnosis.Warning("look for long transactions, and for indexes that were added",
			"%s: only %d %% of its updates stay within their page", t, 100*t.hot/t.updates)
	}
	return diagnosis.OK("%s", t)
}
