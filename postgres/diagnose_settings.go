package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

// setting is one of the server's, as the caller's own connections have it.
type setting struct {
	value  string // in the unit that the server counts in
	source string // where it comes from, in the server's words
}

// settingNames are those that the checks look at. Old servers lack some.
var settingNames = []string{
	"autovacuum", "default_transaction_isolation", "default_transaction_read_only", "fsync", "full_page_writes",
	"idle_in_transaction_session_timeout", "lock_timeout", "max_connections",
	"reserved_connections", "server_encoding", "server_version", "server_version_num", "statement_timeout",
	"superuser_reserved_connections", "synchronous_commit", "synchronous_standby_names", "TimeZone",
	"track_counts", "transaction_timeout",
}

func (x *examination) readSettings(ctx context.Context) error {
	rows, err := x.conn.Query(ctx, `SELECT name, setting, source FROM pg_settings WHERE name = ANY ($1::text[])`, settingNames)
	if err != nil {
		return err
	}
	defer rows.Close()
	x.settings = map[string]setting{}
	for rows.Next() {
		var name string
		var s setting
		if err := rows.Scan(&name, &s.value, &s.source); err != nil {
			return err
		}
		x.settings[name] = s
	}
	return rows.Err()
}

// number returns a setting as a whole number, 0 if there is none.
func (x *examination) number(name string) int {
	n, _ := strconv.Atoi(x.settings[name].value)
	return n
}

// timeout returns a setting that the server counts in milliseconds.
func (x *examination) timeout(name string) time.Duration {
	return time.Duration(x.number(name)) * time.Millisecond
}

// ourSettings makes a connection as a client does, and looks whether what safety
// needs is in force on it.
func (x *examination) ourSettings(ctx context.Context) (driver.Finding, error) {
	if x.readOnly || x.shared || x.crowded {
		return driver.Finding{}, nil // refused, or made for connections of others
	}
	own, err := x.dialer.dial(ctx)
	if err != nil {
		return diagnosis.Problem("make what the error names possible for this role, on connections of their own", "a client's connection cannot be set up: %v", classify(err)), nil
	}
	x.own = own
	var commit, isolation, zone, timeout string
	const sql = `SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation'),
		current_setting('TimeZone'), current_setting('statement_timeout')`
	if err := own.QueryRow(ctx, sql).Scan(&commit, &isolation, &zone, &timeout); err != nil {
		return driver.Finding{}, err
	}
	if commit != "on" && commit != "remote_apply" || isolation != "read committed" || zone != "UTC" || timeout == "0" {
		return diagnosis.Problem("find out what changes the settings of connections: a pooler, or a hook of the pool",
			"the settings of our own connections do not last (synchronous_commit %s, %s, %s, statement_timeout %s)",
			commit, isolation, zone, timeout), nil
	}
	return diagnosis.OK("our own connections: synchronous_commit %s, %s, %s, statements end after %s", commit, isolation, zone, timeout), nil
}

// durability looks at what no session can set for itself.
func (x *examination) durability(context.Context) (driver.Finding, error) {
	var off []string
	for _, name := range []string{"fsync", "full_page_writes"} {
		if x.settings[name].value == "off" {
			off = append(off, name+" is off")
		}
	}
	if len(off) > 0 {
		return diagnosis.Problem("turn it on: a crash of the server's host can lose locks and fences, or the whole database",
			"%s", strings.Join(off, " and ")), nil
	}
	return diagnosis.OK("fsync and full_page_writes are on"), nil
}

// commits looks at the default of the caller's own transactions.
func (x *examination) commits(context.Context) (driver.Finding, error) {
	s := x.settings["synchronous_commit"]
	if s.value == "on" || s.value == "remote_apply" {
		return diagnosis.OK("synchronous_commit is %s", s.value), nil
	}
	return diagnosis.Warning(
		"SET synchronous_commit = on in guarded transactions, or for role "+x.role,
		"synchronous_commit is %s by default (%s): our own connections set it on, "+
			"but a guarded transaction of yours may be lost after its commit", s.value, s.source), nil
}

func (x *examination) isolation(context.Context) (driver.Finding, error) {
	s := x.settings["default_transaction_isolation"]
	if s.value == "read committed" {
		return diagnosis.OK("%s", s.value), nil
	}
	return diagnosis.Warning(
		"be ready to repeat guarded transactions, or begin them with ISOLATION LEVEL READ COMMITTED",
		"%s by default (%s): our own connections use read committed, but a guard in a transaction of yours fails "+
			"with SQLSTATE 40001 if the lock has changed hands since its snapshot", s.value, s.source), nil
}

// shortestStatement is the limit under which a default gets in the way of a guard,
// which is one statement or two.
const shortestStatement = time.Second

func (x *examination) timeouts(context.Context) (driver.Finding, error) {
	for _, name := range []string{"statement_timeout", "lock_timeout", "transaction_timeout"} {
		if d := x.timeout(name); d > 0 && d < shortestStatement {
			return diagnosis.Warning("raise it for role "+x.role+", or in guarded transactions",
				"%s is %v by default (%s): our own connections are not held up by it, but a guard may be", name, d, x.settings[name].source), nil
		}
	}
	if d := x.timeout("idle_in_transaction_session_timeout"); d > 0 {
		return diagnosis.OK("a transaction left idle is ended after %v", d), nil
	}
	found := diagnosis.OK("a transaction left idle is never ended, and with a guard in it blocks its lock")
	found.Advice = fmt.Sprintf("where guards are used: ALTER ROLE %s SET idle_in_transaction_session_timeout = '1min'", x.role)
	return found, nil
}

func (x *examination) timeZone(context.Context) (driver.Finding, error) {
	return diagnosis.OK("%s; our own connections use UTC, and no row depends on a zone", x.settings["TimeZone"].value), nil
}

func (x *examination) autovacuum(context.Context) (driver.Finding, error) {
	for _, name := range []string{"autovacuum", "track_counts"} {
		if x.settings[name].value == "off" {
			return diagnosis.Warning("turn it on: every renewal leaves a dead row, and slows down those after it",
				"%s is off", name), nil
		}
	}
	return diagnosis.OK("on"), nil
}
