package postgres

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// Read implements driver.Conn: one statement, one snapshot, one round trip.
func (c *conn) Read(ctx context.Context, query driver.Query) (driver.View, error) {
	l := c.command
	if query.Keepalive {
		l = c.keepalive
	}
	var view driver.View
	err := c.on(ctx, l, func(ctx context.Context, s *session, sql *statements) (err error) {
		rows, err := s.read(ctx, sql, query)
		if err == nil {
			view, err = collect(rows)
		}
		return err
	})
	if err != nil {
		return driver.View{}, err
	}
	return view, nil
}

func (s *session) read(ctx context.Context, sql *statements, query driver.Query) (pgx.Rows, error) {
	s = s.reading()
	switch {
	case query.Names != nil:
		return s.Query(ctx, sql.readNames, query.Names)
	case !query.Lease.IsZero():
		return s.Query(ctx, sql.readLease, [16]byte(query.Lease))
	}
	return s.Query(ctx, sql.readPage, query.After, query.Prefix, lastWith(query.Prefix), max(query.Limit, 1))
}

// maxName is the length of the longest name, in bytes.
const maxName = 1024

// lastWith returns a string no smaller, byte by byte, than any name that begins
// with prefix. (The successor of a prefix need not be UTF-8, so cannot be sent.)
func lastWith(prefix string) string {
	return prefix + strings.Repeat(string(utf8.MaxRune), maxName/utf8.UTFMax)
}

func collect(rows pgx.Rows) (driver.View, error) {
	view := driver.View{Leases: make(map[driver.ID]driver.LeaseState)}
	for rows.Next() {
		var epoch *int64
		var lock lockRow
		var lease leaseRow
		if err := rows.Scan(slices.Concat([]any{&epoch}, lock.targets(), lease.targets())...); err != nil {
			rows.Close()
			return driver.View{}, err
		}
		if epoch != nil {
			view.Epoch = uint64(*epoch)
		}
		if lock.name != nil {
			l, err := lock.lock()
			if err != nil {
				rows.Close()
				return driver.View{}, err
			}
			view.Locks = append(view.Locks, l)
		}
		if lease.id != nil {
			state := lease.state()
			view.Leases[state.ID] = state
		}
	}
	slices.SortFunc(view.Locks, func(a, b driver.Lock) int { return strings.Compare(a.Name, b.Name) })
	return view, rows.Err()
}
