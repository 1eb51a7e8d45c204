// Package pglock_test holds compat/pglock against what it promises to the users of the
// original, on real servers, with lib/pq and with pgx's driver for database/sql.
package pglock_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childEnv makes the test program act as another process.
const childEnv = "LEASEHOLD_TEST_PGLOCK_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // most of the time they wait
	status := m.Run()
	// A client that nobody uses has no goroutine left when its last lease has ended.
	// But what a statement may leave that was given up is looked for longer.
	ghosts := goleak.IgnoreAnyFunction("github.com/leaseholdgo/leasehold/compat/pglock/internal/table.(*Table).exorcise")
	err := goleak.Find(ghosts)
	for start := time.Now(); err != nil && time.Since(start) < 5*longLease; err = goleak.Find(ghosts) {
		time.Sleep(longLease / 20)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}
