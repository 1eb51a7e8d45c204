package pgserver

import (
	"strconv"
	"testing"
)

func standby(t *testing.T, primary *Server, name string) *Server {
	t.Helper()
	s, err := primary.Standby(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the standby: %v", err)
		}
	})
	return s
}

// expect runs SQL that must print want.
func expect(t *testing.T, s *Server, sql, want string) {
	t.Helper()
	if got, err := s.Query(t.Context(), sql); err != nil || got != want {
		t.Fatalf("%s: %q, %v; want %q", sql, got, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPromotedStandbyLacksWhatItDidNotReceive(t *testing.T) {
	t.Parallel()
	primary := ForTest(t, Config{})
	expect(t, primary, "create table t (x int)", "")
	first, second := standby(t, primary, "first"), standby(t, primary, "second")
	expect(t, primary, "select count(*) from pg_stat_replication where application_name in ('first', 'second')", "2")
	expect(t, primary, "insert into t values (1)", "")
	for _, s := range []*Server{first, second} {
		must(t, s.await(t.Context(), "select count(*) = 1 from t"))
		must(t, s.Detach(t.Context()))
	}
	expect(t, primary, "insert into t values (2)", "")
	must(t, primary.Kill())
	for _, s := range []*Server{first, second} { // in turn; each knows of the old primary only
		must(t, s.Promote(t.Context()))
		expect(t, s, "select array_agg(x) from t", "{1}")
		expect(t, s, "insert into t values (3)", "")
		expect(t, s, "select substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)", "00000002")
		must(t, s.Kill())
	}
}

func TestStandbyFollowsTheOneThatWasPromoted(t *testing.T) {
	t.Parallel()
	primary := ForTest(t, Config{})
	first, second := standby(t, primary, "first"), standby(t, primary, "second")
	must(t, second.Detach(t.Context()))
	must(t, primary.Kill())
	must(t, first.Promote(t.Context()))
	must(t, second.Follow(t.Context(), first))
	expect(t, first, "create table t (x int)", "")
	must(t, second.await(t.Context(), "select to_regclass('t') is not null"))
	expect(t, second, "select pg_is_in_recovery()", "t")
}

func TestCommitWaitsForASynchronousStandby(t *testing.T) {
	t.Parallel()
	primary := ForTest(t, Config{})
	s := standby(t, primary, "sync_1")
	must(t, primary.Synchronous(t.Context(), s))
	expect(t, primary, "create table t (x int)", "")
	must(t, s.Detach(t.Context()))
	done := make(chan error, 1)
	go func() {
		_, err := primary.Query(t.Context(), "insert into t values (1)")
		done <- err
	}()
	must(t, primary.await(t.Context(), "select count(*) = 1 from pg_stat_activity where wait_event = 'SyncRep'"))
	expect(t, primary, "select count(*) from t", "0")
	must(t, s.Follow(t.Context(), primary))
	must(t, <-done)
	expect(t, primary, "select count(*) from t", "1")
	must(t, primary.Synchronous(t.Context()))
}

func TestMultiURLFindsThePrimary(t *testing.T) {
	t.Parallel()
	primary := ForTest(t, Config{})
	s := standby(t, primary, "first")
	out, err := s.command(t.Context(), "psql", "-XAtc", "show port", MultiURL(s, primary)).Output()
	if want := primary.port; err != nil || string(out) != strconv.Itoa(want)+"\n" {
		t.Fatalf("connected to %q, %v; want %d", out, err, want)
	}
}
