package torture_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/faults/torture"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	server, err := pgserver.Start(t.Context(), pgserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	report := run(t, torture.Config{URL: server.URL(), Duration: 8 * time.Second, TTL: time.Second})
	if report.Store != "postgres" || report.Faults == 0 {
		t.Errorf("%d faults on %s", report.Faults, report.Store)
	}
	if left := schemas(t, server.URL()); left != 0 {
		t.Errorf("%d schemas are left behind", left)
	}
}

func schemas(t *testing.T, url string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), `SELECT count(*)::int FROM pg_namespace WHERE nspname LIKE 'leasehold%'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.db")
	report := run(t, torture.Config{File: file, Duration: 5 * time.Second, TTL: time.Second, Clients: 3})
	if report.Store != "sqlite" || report.Faults == 0 || report.Clients != 3 {
		t.Errorf("%d faults on %s with %d clients", report.Faults, report.Store, report.Clients)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// run makes a run without violations, and looks at its report.
func run(t *testing.T, cfg torture.Config) torture.Report {
	t.Helper()
	report, err := torture.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := report.Print(&table); err != nil {
		t.Error(err)
	}
	t.Log(table.String())
	if report.Grants == 0 || report.Operations <= report.Grants || len(report.Sum) != 64 || report.Seed == 0 {
		t.Errorf("an odd report: %d grants in %d operations, sum %q, seed %d", report.Grants, report.Operations, report.Sum, report.Seed)
	}
	for _, v := range report.Violations {
		t.Error(v)
	}
	if len(report.Violations) == 0 && (report.Directory != "" || report.Drawing != "") {
		t.Errorf("kept without need: %s, %s", report.Directory, report.Drawing)
	}
	return report
}

func TestHistoryIsKeptWhereAsked(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "histories")
	cfg := torture.Config{File: filepath.Join(t.TempDir(), "x"), Duration: time.Second, TTL: 300 * time.Millisecond, Directory: dir}
	report, err := torture.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if drawing, err := os.ReadFile(report.Drawing); err != nil || !strings.Contains(string(drawing), "<svg") {
		t.Errorf("the drawing: %v", err)
	}
	if _, err := torture.Run(t.Context(), cfg); err == nil {
		t.Error("a second history went into the same directory")
	}
}

func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := torture.Run(ctx, torture.Config{File: filepath.Join(dir, "x"), Duration: time.Hour, TTL: 300 * time.Millisecond})
	if err == nil {
		t.Error("a run that was cut short has no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUnusable(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]torture.Config{
		"give a URL or a File":   {},
		"at least 2":             {File: "x", Clients: 1},
		"below 0":                {File: "x", TTL: -1},
		"the URL cannot be used": {URL: "postgres://u:secret@host:port/x"},
	} {
		_, err := torture.Run(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
