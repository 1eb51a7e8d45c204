package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

func TestRate(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for _, c := range []struct {
		there, within time.Duration // that passed on the server in two seconds
		level         driver.Level
	}{
		{2 * time.Second, time.Millisecond, driver.LevelOK},
		{2003 * time.Millisecond, 2 * time.Millisecond, driver.LevelOK}, // may be an error of measurement
		{2008 * time.Millisecond, time.Millisecond, driver.LevelWarning},
		{1992 * time.Millisecond, time.Millisecond, driver.LevelWarning},
		{2030 * time.Millisecond, time.Millisecond, driver.LevelProblem},
		{time.Second, time.Millisecond, driver.LevelProblem},
	} {
		first := sample{here: start, wall: start, there: start.Add(time.Hour), within: c.within / 2}
		last := sample{here: start.Add(2 * time.Second), wall: start.Add(2 * time.Second), there: first.there.Add(c.there), within: c.within / 2}
		if found := rateFinding(first, last); found.Level != c.level {
			t.Errorf("%v in 2s, give or take %v: %+v", c.there, c.within, found)
		}
	}
}

// The time of day does not matter; a clock that was set back is told, and one that is
// set while it is looked at.
func TestHazard29_DiagnoseSteps(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{Clock: true})
	step := func(ahead time.Duration) {
		if err := server.Step(ahead); err != nil {
			t.Error(err)
		}
	}
	cfg := poolAt(t, server.URL()).Config()
	store := &Store{pool: cfg}
	step(time.Hour)
	newClient(t, store)
	examine(t, store).want(t, "clock", driver.LevelOK, "same rate", "differs by 1h0m0")
	connections := 0
	cfg.AfterConnect = func(context.Context, *pgx.Conn) error {
		if connections++; connections == 2 { // the first has been asked for the time
			step(time.Hour + 5*time.Second)
		}
		return nil
	}
	examine(t, store).want(t, "clock", driver.LevelProblem, "set while we looked", "find out which")
	step(0)
	examine(t, store).want(t, "clock", driver.LevelWarning, "was set back", "from now")
}

func TestSynchronousStandbyMissing(t *testing.T) {
	t.Parallel()
	f := standbys{names: "one", required: true, grace: true}.finding()
	findings{"replication": f}.want(t, "replication", driver.LevelProblem, "every commit waits", `"one"`)
	f = standbys{names: "one", required: true, connected: 1, hidden: 1}.finding()
	findings{"replication": f}.want(t, "replication", driver.LevelOK, "synchronous")
}

func TestTableSizes(t *testing.T) {
	t.Parallel()
	for want, size := range map[string]tableSize{
		"most of it is air":        {name: "lease", live: 3, dead: 9, bytes: 100 << 20},
		"only 50 % of its updates": {name: "lock", live: 3, updates: 200_000, hot: 100_000},
	} {
		findings{"rows": size.finding()}.want(t, "rows", driver.LevelWarning, want)
	}
	large := tableSize{name: "lock", live: 1_000_000, bytes: 200 << 20, updates: 1e6, hot: 1e6}
	findings{"rows": large.finding()}.want(t, "rows", driver.LevelOK, "1000000 rows")
}

// Diagnose ends with its context, and soon after a server that is gone.
func TestDiagnoseAServerThatFails(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{})
	connections := 0
	cfg := poolAt(t, server.URL()).Config()
	cfg.AfterConnect = func(context.Context, *pgx.Conn) error {
		if connections++; connections == 2 {
			return server.Kill()
		}
		return nil
	}
	_, err := (&Store{pool: cfg}).diagnose(t.Context(), 0)
	if err == nil || driver.IsPermanent(err) {
		t.Errorf("a server that was killed: %v", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	err = within(t, "Diagnose of a server that hangs", func(ctx context.Context) error {
		_, err := (&Store{pool: cfg}).Diagnose(ctx)
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) || driver.IsPermanent(err) {
		t.Errorf("a server that hangs: %v", err)
	}
}
