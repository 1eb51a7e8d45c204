package side

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Floor is the least that a cycle can cost which commits twice: on each of its
// connections two updates, one after the other, of an existing row found by its name.
// Each is prepared, commits on its own, and is a heap-only update: nothing but the
// row changes.
type Floor struct {
	conns []*pgx.Conn
}

const floorSQL = `UPDATE floor SET n = n + 1 WHERE name = $1`

// OpenFloor opens connections to the database at url, each for one goroutine, and
// makes the rows there if they are missing.
func OpenFloor(ctx context.Context, url string, connections int) (*Floor, error) {
	f := new(Floor)
	for range connections {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f.conns = append(f.conns, conn)
	}
	_, err := f.conns[0].Exec(ctx, `
		CREATE TABLE IF NOT EXISTS floor (name text COLLATE "C" PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 50);
		INSERT INTO floor SELECT 'name-' || i, 0 FROM generate_series(0, 511) AS i ON CONFLICT DO NOTHING`)
	for _, conn := range f.conns {
		if err == nil {
			_, err = conn.Prepare(ctx, floorSQL, floorSQL)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Cycle makes the two updates on connection i, and calls half between them.
func (f *Floor) Cycle(ctx context.Context, i int, half func()) error {
	for n := range 2 {
		if n == 1 {
			half()
		}
		tag, err := f.conns[i].Exec(ctx, floorSQL, Name(i))
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("%d rows were updated", tag.RowsAffected())
		}
	}
	return nil
}

// Close closes the connections.
func (f *Floor) Close() error {
	var errs []error
	for _, conn := range f.conns {
		errs = append(errs, conn.Close(context.Background()))
	}
	return errors.Join(errs...)
}

// Name is the name that goroutine i locks, or the row it updates.
func Name(i int) string { return fmt.Sprint("name-", i) }
