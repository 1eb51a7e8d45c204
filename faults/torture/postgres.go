package torture

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// pgArena is a schema of its own in a PostgreSQL database.
type pgArena struct {
	url    string
	schema string
	links  []*link // by place
	admin  *pgxpool.Pool
}

func newPostgres(cfg Config) (arena, error) {
	a := &pgArena{url: cfg.URL, schema: "leasehold_torture_" + strings.ToLower(rand.Text()[:12])}
	for range cfg.Clients {
		a.links = append(a.links, &link{})
	}
	return a, nil
}

func (a *pgArena) kind() string { return database.Postgres }

func (a *pgArena) prepare(ctx context.Context) error {
	cfg, err := a.settings(nil)
	if err != nil {
		return err
	}
	if a.admin, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return err
	}
	if _, err := a.admin.Exec(ctx, `CREATE SCHEMA `+a.schema); err != nil {
		return fmt.Errorf("torture: making a schema: %w", err)
	}
	return nil
}

// settings are those of a small pool of connections, through a link if there is one.
func (a *pgArena) settings(l *link) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(a.url)
	if err != nil {
		return nil, errors.New("torture: the URL cannot be used") // the reason may show the password
	}
	cfg.MaxConns = 3
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	cfg.ConnConfig.RuntimeParams["application_name"] = a.schema
	if l != nil {
		cfg.ConnConfig.DialFunc = l.dialFunc(cfg.ConnConfig.DialFunc)
	}
	return cfg, nil
}

func (a *pgArena) open(ctx context.Context, place int) (database.Database, error) {
	var l *link
	if place != outside {
		l = a.links[place]
	}
	cfg, err := a.settings(l)
	if err != nil {
		return nil, err
	}
	return database.OfPool(ctx, cfg, database.Config{Schema: a.schema})
}

func (a *pgArena) faults() []fault {
	both := func(l *link) { l.requests.shut(); l.replies.shut() }
	return []fault{
		{name: "terminate backends", common: true, do: a.terminate},
		{name: "black hole", do: a.cut(both)},
		{name: "requests do not arrive", do: a.cut(func(l *link) { l.requests.shut() })},
		{name: "replies do not arrive", do: a.cut(func(l *link) { l.replies.shut() })},
		{name: "slow link", do: a.cut(func(l *link) { l.replies.slow(50 * time.Millisecond) })},
	}
}

// cut does something to a link for some time.
func (a *pgArena) cut(shut func(*link)) func(context.Context, int, time.Duration) bool {
	return func(ctx context.Context, place int, length time.Duration) bool {
		l := a.links[place]
		shut(l)
		backoff.Sleep(ctx, length)
		l.requests.open()
		l.replies.open()
		return true
	}
}

// terminate ends some of our own sessions.
func (a *pgArena) terminate(ctx context.Context, _ int, _ time.Duration) bool {
	_, err := a.admin.Exec(ctx, `SELECT count(pg_terminate_backend(pid)) FROM (
		SELECT pid FROM pg_stat_activity
		WHERE starts_with(application_name, $1) AND pid <> pg_backend_pid() ORDER BY random() LIMIT 5) AS chosen`, a.schema)
	return err == nil
}

// dropTimeout bounds the removal of the schema.
const dropTimeout = 10 * time.Second

func (a *pgArena) remove() error {
	if a.admin == nil {
		return nil
	}
	defer a.admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	if _, err := a.admin.Exec(ctx, `DROP SCHEMA IF EXISTS `+a.schema+` CASCADE`); err != nil {
		return fmt.Errorf("torture: the schema %s is left behind: %w", a.schema, err)
	}
	return nil
}
