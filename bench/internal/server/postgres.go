package server

import (
	"context"
	"fmt"
	"net/url"

	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// Database is a PostgreSQL server with the settings of a new installation. (Where
// they differ, it is where its files are, its port, and room for 200 connections.)
type Database struct {
	server *pgserver.Server
}

func startPostgres(ctx context.Context) (*Database, error) {
	s, err := pgserver.Start(ctx, pgserver.Config{})
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	return &Database{server: s}, nil
}

// Create makes an empty database and returns its URL. Each side of a comparison gets
// one of its own: a NOTIFY wakes every listening backend of its database.
func (d *Database) Create(ctx context.Context, name string) (string, error) {
	if _, err := d.server.Query(ctx, `CREATE DATABASE `+name); err != nil {
		return "", fmt.Errorf("making database %s: %w", name, err)
	}
	u, err := url.Parse(d.server.URL())
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// Query asks the server something, as superuser, and returns rows as lines.
func (d *Database) Query(ctx context.Context, sql string) (string, error) {
	return d.server.Query(ctx, sql)
}
