package mysql

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

var _ driver.Diagnoser = (*Store)(nil)

// Diagnose looks whether the server, the user and the tables are fit to keep locks in, and
// returns what it found, in a fixed order: the server, whether it takes writes and belongs
// to a cluster, durability, the binary log, the tables, the user's privileges, the epoch,
// latency, and time zone and clock.
//
// It does not prove that locks work: it makes none. It changes no table but for a counter
// of its own, to time commits.
//
// An error means that the server could not be reached; it is marked with driver.Permanent
// where a repeated call cannot help. What takes longer than five seconds is a warning
// among the findings. It takes about a second and one connection, and returns when ctx
// ends.
func (s *Store) Diagnose(ctx context.Context) ([]driver.Finding, error) {
	return s.examine(ctx, "this server is read-only: it grants nothing", (*examination).checks)
}

// examine makes the checks, on a connection of its own. readOnly is what is found of a server
// that is.
func (s *Store) examine(ctx context.Context, readOnly string, checks func(*examination) []diagnosis.Check) ([]driver.Finding, error) {
	c, err := s.newConn(driver.Settings{TTL: operatorTTL})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var findings []driver.Finding
	err = c.on(ctx, c.command, func(ctx context.Context, s *session) error {
		x := &examination{conn: c, session: s}
		if err := x.look(ctx); err != nil {
			return err
		}
		findings = diagnosis.Run(ctx, checkLimit, checks(x))
		if s.broken {
			return errors.New("the connection was lost")
		}
		return ctxError(ctx)
	})
	if errors.Is(err, errReadOnly) {
		return []driver.Finding{diagnosis.Problem("connect to the primary", "%s", readOnly)}, nil
	}
	return findings, err
}

// checkLimit bounds one check.
const checkLimit = 5 * time.Second

// examination is one call of Diagnose, of a Store or SessionStore.
type examination struct {
	*conn
	*session
	variables map[string]string
	meta      meta
	tables    bool // they can be read
}

// checks returns all of them, in the order of the findings.
func (x *examination) checks() []diagnosis.Check {
	return []diagnosis.Check{
		{Name: "server", Run: x.version},
		{Name: "cluster", Run: x.cluster},
		{Name: "durability", Run: x.durability},
		{Name: "binary log", Run: x.binaryLog},
		{Name: "tables", Run: x.schema},
		{Name: "incarnation", Run: x.incarnation},
		{Name: "privileges", Run: x.privileges},
		{Name: "latency", Run: x.latency},
		{Name: "commit latency", Run: x.commitLatency},
		{Name: "clock", Run: x.clock},
	}
}

// look reads the variables that the checks look at. Some servers lack some.
func (x *examination) look(ctx context.Context) error {
	x.variables = map[string]string{}
	return x.run(ctx, statement{`SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment',
		'innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'binlog_format', 'innodb_doublewrite')`,
		func(rows *sql.Rows) error {
			var name, value string
			err := rows.Scan(&name, &value)
			x.variables[name] = value
			return err
		}})
}

// oldest are the oldest releases that have what the statements use: SKIP LOCKED.
var oldest = map[bool][2]int{true: {10, 6}, false: {8, 0}}

func (x *examination) version(context.Context) (driver.Finding, error) {
	version := x.variables["version"]
	maria := strings.Contains(version, "MariaDB")
	name := "MySQL"
	if maria {
		name = "MariaDB"
	}
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return diagnosis.Warning("use MySQL or MariaDB", "a server of unknown version %.40q", version), nil
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	least := oldest[maria]
	switch {
	case err != nil || err2 != nil:
		return diagnosis.Warning("use MySQL or MariaDB", "a server of unknown version %.40q", version), nil
	case major < least[0] || major == least[0] && minor < least[1]:
		return diagnosis.Problem("upgrade the server", "%s %s is too old: %d.%d is the oldest that works", name, version, least[0], least[1]), nil
	}
	return diagnosis.OK("%s %s", name, version), nil
}

func (x *examination) cluster(ctx context.Context) (driver.Finding, error) {
	nodes, err := x.writers(ctx)
	if err != nil || nodes == "" {
		return diagnosis.OK("the server takes writes, and does not share that with other nodes"), err
	}
	if x.cfg.SingleWriter {
		return diagnosis.Warning("send all clients, and all guarded transactions, to one node at a time", "%s", nodes), nil
	}
	return diagnosis.Problem("use a database whose writes go to one node, and say so in the configuration",
		"%s: row locks do not reach other nodes", nodes), nil
}

func (x *examination) durability(context.Context) (driver.Finding, error) {
	flush, binlog := x.variables["innodb_flush_log_at_trx_commit"], x.variables["sync_binlog"]
	switch {
	case flush != "1" && flush != "3": // 3: MariaDB flushes twice
		return diagnosis.Warning("set innodb_flush_log_at_trx_commit = 1",
			"a crash may undo commits that were acknowledged (innodb_flush_log_at_trx_commit = %s): two clients may then hold one lock", flush), nil
	case x.variables["log_bin"] == "ON" && binlog != "1":
		return diagnosis.Warning("set sync_binlog = 1",
			"a replica may lack commits after a crash (sync_binlog = %s)", binlog), nil
	}
	return diagnosis.OK("each commit waits for the disk"), nil
}

func (x *examination) binaryLog(context.Context) (driver.Finding, error) {
	switch {
	case x.variables["log_bin"] != "ON":
		return diagnosis.OK("none"), nil
	case x.variables["binlog_format"] == "STATEMENT":
		return diagnosis.Problem("set binlog_format = ROW or MIXED", "binlog_format is STATEMENT: transactions that are READ COMMITTED cannot be written to it"), nil
	}
	return diagnosis.OK("of rows (%s)", x.variables["binlog_format"]), nil
}

func (x *examination) schema(ctx context.Context) (driver.Finding, error) {
	if err := x.inhabit(ctx, x.session); err != nil && x.cfg.Database == "" {
		return diagnosis.Problem("name a database in the URL", "no database is selected"), nil
	}
	var err error
	x.meta, err = x.readMeta(ctx, x.session)
	switch {
	case hasCode(err, codeNoTable):
		return diagnosis.OK("there are none so far: the first client makes them"), nil
	case hasCode(err, noPrivilege...):
		return diagnosis.Problem("grant the user SELECT, INSERT, UPDATE, DELETE on the tables", "this user may not read them"), nil
	case err != nil:
		return driver.Finding{}, err
	}
	if err := x.meta.check(0); err != nil {
		return diagnosis.Problem("run `leasehold migrate`", "%v", err), nil
	}
	x.tables = true
	return diagnosis.OK("version %d, in database %s; the longest TTL is %v", x.meta.version, x.cfg.Database, x.meta.longest()), nil
}

func (x *examination) incarnation(context.Context) (driver.Finding, error) {
	switch {
	case !x.tables:
		return driver.Finding{}, nil
	case x.meta.epoch == 0:
		return diagnosis.OK("no client has connected so far"), nil
	case !x.meta.same:
		return diagnosis.Warning("wait: it passes by itself",
			"the server is another one than the last client saw: the next one begins a pause in granting of about %v", x.meta.longest()), nil
	case !x.meta.granting:
		return diagnosis.Warning("wait: it passes by itself", "nothing is granted until all locks from before a failover or restore have run out"), nil
	case !x.meta.grace:
		return diagnosis.Warning("turn it off only where no replica can lack a commit", "the pause in granting after a failover is turned off"), nil
	}
	return diagnosis.OK("epoch %d: a failover to another server is noticed; after a restore on this one run `leasehold migrate --new-epoch`", x.meta.epoch), nil
}

// privileges tries, in a transaction that is undone, what clients do.
func (x *examination) privileges(ctx context.Context) (driver.Finding, error) {
	if !x.tables {
		return driver.Finding{}, nil
	}
	script := plain("BEGIN")
	for _, table := range []string{x.t.lock, x.t.guard, x.t.lease} {
		script = append(script, statement{sql: "DELETE FROM " + table + " WHERE 1 = 0"},
			statement{sql: "INSERT INTO " + table + " SELECT * FROM " + table + " WHERE 1 = 0"})
	}
	script = append(script, statement{sql: "UPDATE " + x.t.lock + " SET fence = 0 WHERE 1 = 0"},
		statement{sql: "UPDATE " + x.t.lease + " SET beat = 0 WHERE 1 = 0"},
		statement{sql: "UPDATE " + x.t.meta + " SET granting = 0 WHERE 1 = 0"},
		statement{"SELECT name FROM " + x.t.guard + " WHERE 1 = 0 FOR UPDATE", row(new([]byte))},
		statement{sql: x.t.flushSQL()})
	err := x.run(ctx, script...)
	x.rollback(ctx)
	if hasCode(err, noPrivilege...) {
		return diagnosis.Problem("grant the user SELECT, INSERT, UPDATE, DELETE on the tables", "this user may not change all of them"), nil
	}
	return diagnosis.OK("this user may read and change the tables"), err
}

const (
	pings     = 20
	slowPing  = 250 * time.Millisecond // the margin of a TTL of 5 s and more
	slowClock = 2 * time.Second
)

// fastest returns the least time that do takes, of several.
func fastest(do func() error) (least time.Duration, err error) {
	for i := range pings {
		begun := clock.Now()
		if err := do(); err != nil {
			return 0, err
		}
		if took := clock.Since(begun); i == 0 || took < least {
			least = took
		}
	}
	return least.Round(10 * time.Microsecond), nil
}

func (x *examination) latency(ctx context.Context) (driver.Finding, error) {
	took, err := fastest(func() error { return x.run(ctx, plain("DO 1")...) })
	switch {
	case err != nil:
		return driver.Finding{}, err
	case took > slowPing:
		return diagnosis.Warning("use a TTL of many times that", "a round trip takes %v at least", took), nil
	}
	return diagnosis.OK("a round trip takes %v at least", took), nil
}

func (x *examination) commitLatency(ctx context.Context) (driver.Finding, error) {
	if !x.tables {
		return driver.Finding{}, nil
	}
	took, err := fastest(func() error { return x.run(ctx, plain(x.t.flushSQL())...) })
	switch {
	case err != nil:
		return driver.Finding{}, err
	case took > slowPing:
		return diagnosis.Warning("use a faster disk, or a TTL of many times that", "a commit takes %v at least", took), nil
	}
	return diagnosis.OK("a commit takes %v at least", took), nil
}

// clock compares the server's clock with ours: nothing depends on it but fences after a
// failover.
func (x *examination) clock(ctx context.Context) (driver.Finding, error) {
	var micros int64
	begun := time.Now()
	if err := x.run(ctx, statement{"SELECT " + clockSQL, row(&micros)}); err != nil {
		return driver.Finding{}, err
	}
	apart := time.UnixMicro(micros).Sub(begun.Add(time.Since(begun) / 2)).Round(time.Millisecond)
	if apart.Abs() > slowClock {
		return diagnosis.Warning("keep the clocks of database hosts together, with NTP", "the server's clock and this host's are %v apart", apart), nil
	}
	return diagnosis.OK("the server's clock and this host's are %v apart", apart), nil
}
