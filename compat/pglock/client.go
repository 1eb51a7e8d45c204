package pglock

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/compat/pglock/internal/table"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// Client acquires locks. It is safe for concurrent use, and meant to be shared by a
// whole process.
type Client struct {
	cfg    config
	table  *table.Table
	engine *leasehold.Client
	turns  turns
}

// New returns a client over the pool, whose driver is lib/pq or pgx. It does no I/O. The
// pool stays the caller's, also after an error.
//
// ErrNotPostgreSQLDriver: it is nil, or of another driver. ErrDurationTooSmall: see
// [WithLeaseDuration].
func New(db *sql.DB, opts ...ClientOption) (*Client, error) {
	if db == nil || !isPostgreSQL(db) {
		return nil, ErrNotPostgreSQLDriver
	}
	return UnsafeNew(db, opts...)
}

// UnsafeNew is New for any driver that speaks to PostgreSQL, one that is wrapped for
// instance: it does not look at it.
func UnsafeNew(db *sql.DB, opts ...ClientOption) (*Client, error) {
	if db == nil {
		return nil, ErrNotPostgreSQLDriver
	}
	cfg := config{table: DefaultTableName, owner: "pglock-" + rand.Text(), lease: DefaultLeaseDuration, heartbeat: DefaultHeartbeatFrequency}
	for _, opt := range opts {
		opt(&cfg)
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, turns: turns{lines: map[string]*line{}}}
	c.table = table.New(table.Config{DB: db, Table: cfg.table, Owner: cfg.owner, Lease: cfg.lease, Heartbeat: cfg.heartbeat})
	ttl := cfg.lease.Truncate(time.Millisecond)
	engine := leasehold.Config{TTL: ttl, Owner: "pglock", App: "pglock", Tolerance: clock.Margin(ttl)}
	if cfg.log != nil {
		engine.Logger = slog.New(handler{log: cfg.log})
	}
	var err error
	if c.engine, err = leasehold.Open(context.Background(), c.table, engine); err != nil {
		return nil, err
	}
	return c, nil
}

// tableName matches what PostgreSQL takes for a name without quotes, and a schema's
// before it.
var tableName = regexp.MustCompile(`^[\pL_][\pL\pN_$]*(\.[\pL_][\pL\pN_$]*)?$`)

func (c *config) validate() error {
	switch {
	case c.heartbeat > 0 && c.lease/2 < c.heartbeat:
		return ErrDurationTooSmall
	case c.lease < leasehold.MinTTL:
		return fmt.Errorf("%w: %v, the shortest is %v", ErrDurationTooSmall, c.lease, leasehold.MinTTL)
	case !tableName.MatchString(c.table):
		return fmt.Errorf("pglock: the table name %q would need quotes", c.table)
	}
	return nil
}

// CreateTable creates the table. It is an error if there is one.
func (c *Client) CreateTable() error {
	return typed("create table", c.table.Create(context.Background()))
}

// TryCreateTable creates the table, unless there is one. Any number of clients may do so
// at once.
func (c *Client) TryCreateTable() error {
	return typed("create table", c.table.TryCreate(context.Background()))
}

// DropTable drops the table.
func (c *Client) DropTable() error {
	return typed("drop table", c.table.Drop(context.Background()))
}
