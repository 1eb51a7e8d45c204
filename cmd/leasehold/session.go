package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/spf13/cobra"
)

// sessionFlag adds the flag by which a subcommand looks at the locks of sessions.
func sessionFlag(cmd *cobra.Command, db *databaseFlags) {
	cmd.Flags().BoolVar(&db.session, "session", false, "the locks that sessions hold, not those in tables (not on SQLite)")
}

// sessionStore is a store of the locks of sessions that can tell which there are.
type sessionStore interface {
	driver.Store
	driver.Diagnoser
	Held(ctx context.Context) (driver.View, error)
}

// sessions is that, for subcommands that look: listing yields what all sessions hold.
type sessions struct{ sessionStore }

func (s sessions) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	conn, err := s.sessionStore.Connect(ctx, settings)
	if err != nil {
		return nil, err
	}
	return sessionConn{conn, s.sessionStore}, nil
}

type sessionConn struct {
	driver.Conn
	store sessionStore
}

// Read implements driver.Conn.
func (c sessionConn) Read(ctx context.Context, q driver.Query) (driver.View, error) {
	if len(q.Names) > 0 || !q.Lease.IsZero() {
		return c.Conn.Read(ctx, q)
	}
	v, err := c.store.Held(ctx)
	v.Locks = slices.DeleteFunc(v.Locks, func(l driver.Lock) bool { return l.Name <= q.After || !strings.HasPrefix(l.Name, q.Prefix) })
	slices.SortFunc(v.Locks, func(a, b driver.Lock) int { return cmp.Compare(a.Name, b.Name) })
	v.Locks = v.Locks[:min(len(v.Locks), q.Limit)]
	return v, err
}
