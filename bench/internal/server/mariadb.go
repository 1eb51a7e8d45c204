package server

import (
	"context"
	"fmt"

	"github.com/leaseholdgo/leasehold/internal/mariadb"
)

// startMariaDB starts a server with the settings of a new installation, but for room for
// 300 connections: no binary log, and every commit is flushed.
func startMariaDB(ctx context.Context) (*mariadb.Server, error) {
	s, err := mariadb.Start(ctx, mariadb.Config{})
	if err != nil {
		return nil, fmt.Errorf("starting MariaDB: %w", err)
	}
	return s, nil
}
