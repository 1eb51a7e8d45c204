package server

import (
	"context"
	"errors"
	"slices"

	"github.com/leaseholdgo/leasehold/internal/mariadb"
)

// Kind is a kind of server.
type Kind string

// The kinds.
const (
	Postgres Kind = "postgres"
	Redis    Kind = "redis"
	Etcd     Kind = "etcd"
	MariaDB  Kind = "mariadb"
)

// Set is the servers of one run. Those that were not asked for are nil.
type Set struct {
	Postgres *Database
	Redis    *Private
	Etcd     *Private
	MariaDB  *mariadb.Server
}

// Start starts one server of each kind. As root on a Debian system it first installs
// the packages that are missing; elsewhere the error names them. ctx bounds the
// start. The caller closes the set.
func Start(ctx context.Context, kinds ...Kind) (*Set, error) {
	if err := install(ctx, kinds); err != nil {
		return nil, err
	}
	s, err := new(Set), error(nil)
	if slices.Contains(kinds, Postgres) {
		s.Postgres, err = startPostgres(ctx)
	}
	if err == nil && slices.Contains(kinds, Redis) {
		s.Redis, err = startRedis(ctx)
	}
	if err == nil && slices.Contains(kinds, Etcd) {
		s.Etcd, err = startEtcd(ctx)
	}
	if err == nil && slices.Contains(kinds, MariaDB) {
		s.MariaDB, err = startMariaDB(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close stops the servers and removes their files.
func (s *Set) Close() error {
	var errs []error
	if s.Postgres != nil {
		errs = append(errs, s.Postgres.server.Close())
	}
	for _, p := range []*Private{s.Redis, s.Etcd} {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	if s.MariaDB != nil {
		errs = append(errs, s.MariaDB.Close())
	}
	return errors.Join(errs...)
}
