package torture

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// liteArena is a file of its own beside the one given.
type liteArena struct {
	dir    string
	writer *sql.DB // to keep the file locked
}

func newSQLite(cfg Config) (arena, error) {
	dir, err := os.MkdirTemp(filepath.Dir(cfg.File), ".leasehold-torture-")
	if err != nil {
		return nil, err
	}
	return &liteArena{dir: dir}, nil
}

func (a *liteArena) kind() string { return database.SQLite }
func (a *liteArena) path() string { return filepath.Join(a.dir, "locks.db") }

func (a *liteArena) prepare(context.Context) (err error) {
	u := url.URL{Scheme: "file", Path: a.path()}
	a.writer, err = sql.Open("sqlite", u.String()+"?_pragma=busy_timeout(1000)&_txlock=immediate")
	return err
}

func (a *liteArena) open(ctx context.Context, _ int) (database.Database, error) {
	return database.Open(ctx, database.Config{Kind: database.SQLite, Path: a.path()})
}

func (a *liteArena) faults() []fault {
	return []fault{{name: "another writer", common: true, do: a.lock}}
}

// lock keeps everybody else from writing.
func (a *liteArena) lock(ctx context.Context, _ int, length time.Duration) bool {
	tx, err := a.writer.BeginTx(ctx, nil)
	if err != nil {
		return false
	}
	backoff.Sleep(ctx, length)
	_ = tx.Rollback() // nothing was written
	return true
}

func (a *liteArena) remove() error {
	var err error
	if a.writer != nil {
		err = a.writer.Close()
	}
	return errors.Join(err, os.RemoveAll(a.dir))
}
