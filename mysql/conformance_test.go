package mysql

import (
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Harness{
		Open:    func(t *testing.T) driver.Store { return Open(serverURL(t), Config{Database: emptyDatabase(t)}) },
		Starts:  true,
		TTL:     time.Second,
		MaxTTL:  time.Minute,
		Listens: true,
		Guard:   beginGuard,
	})
}

// TestConformanceOfPool is the same over a pool of the caller's whose connections take one
// statement at a time.
func TestConformanceOfPool(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Store {
			return New(openDB(t, serverURL(t)), Config{Database: emptyDatabase(t)})
		},
		Starts:  true,
		TTL:     time.Second,
		MaxTTL:  time.Minute,
		Listens: true,
		Guard:   beginGuard,
	})
}

// beginGuard guards the hold in a transaction on a connection of the test's own.
func beginGuard(t *testing.T, _ driver.Store, hold driver.Hold) func() {
	tx, err := openDB(t, serverURL(t)).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := guard(t.Context(), tx, hold); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
	}
}

// emptied are databases whose tables are there and empty. The suite needs hundreds, and
// tables take long to make.
var emptied struct {
	sync.Mutex
	names []string
}

// emptyDatabase returns the name of a database for t alone.
func emptyDatabase(t *testing.T) string {
	emptied.Lock()
	defer emptied.Unlock()
	name := fmt.Sprintf("empty_%d_%d", os.Getpid(), databases.Add(1))
	if n := len(emptied.names); n > 0 {
		name, emptied.names = emptied.names[n-1], emptied.names[:n-1]
	} else {
		execSQL(t, openDB(t, serverURL(t)), "CREATE DATABASE "+name)
	}
	t.Cleanup(func() {
		db := openDB(t, serverURL(t), func(cfg *mysql.Config) { cfg.DBName = name })
		execSQL(t, db, "DELETE FROM leasehold_lock")
		execSQL(t, db, "DELETE FROM leasehold_guard")
		execSQL(t, db, "DELETE FROM leasehold_lease")
		emptied.Lock()
		defer emptied.Unlock()
		emptied.names = append(emptied.names, name)
	})
	return name
}

// dropEmptied ends what emptyDatabase began.
func dropEmptied(url string) error {
	cfg, err := parseSource(url)
	if err != nil {
		return err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	for _, name := range emptied.names {
		if _, err := db.Exec("DROP DATABASE " + name); err != nil {
			return err
		}
	}
	return nil
}
