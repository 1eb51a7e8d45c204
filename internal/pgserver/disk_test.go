package pgserver

import "testing"

// Where nothing can be mounted, a limit is refused; elsewhere it is one.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	cfg := Config{Disk: 200 << 20, Settings: map[string]string{"max_wal_size": "64MB", "min_wal_size": "32MB"}}
	if !CanLimitDisk() {
		if s, err := Start(t.Context(), cfg); err == nil {
			t.Errorf("no error; closed: %v", s.Close())
		}
		return
	}
	s := ForTest(t, cfg)
	expect(t, s, "create table t (x text); insert into t values ('kept')", "")
	must(t, s.Fill())
	const fat = "create table fat as select repeat(md5(g::text), 10) from generate_series(1, 100000) as g"
	if _, err := s.Query(t.Context(), fat); err == nil {
		t.Error("there is room on a full disk")
	}
	must(t, s.Free())
	if !s.Running() {
		must(t, s.Restart(t.Context()))
	}
	must(t, s.await(t.Context(), "select x = 'kept' from t"))
	must(t, s.Kill())
	must(t, s.Restart(t.Context()))
	expect(t, s, "select x from t", "kept")
}
