package main

import (
	"strings"
	"testing"
)

// What is stored with the tables is set for all clients: the cap, the pause in granting
// after a failover, and that pause itself after a restore.
func TestMigrateSettings(t *testing.T) {
	db := newPostgres(t)
	quick(t, db, "migrate", "--max-ttl", "1s", "--grace", "off").wantStatus(0)
	capped := quick(t, db, "run", "--ttl", "2s", "name", "--", "true")
	capped.wantStatus(statusConfig)
	if !strings.Contains(capped.errOut.String(), "above the longest that this database is set to, 1s") {
		t.Errorf("no advice: %s", capped.errOut.String())
	}
	quick(t, db, "ls").wantStatus(0)
	quick(t, db, "run", "--ttl", "1s", "name", "--", "true").wantStatus(0)

	quick(t, db, "migrate", "--max-ttl", "30s", "--grace", "on", "--new-epoch").wantStatus(0)
	paused := quick(t, db, "run", "--ttl", "1s", "--try", "name", "--", "true")
	paused.wantStatus(statusUnavailable)
	if !strings.Contains(paused.errOut.String(), "failed over or restored") {
		t.Errorf("the reason is missing: %s", paused.errOut.String())
	}
	quick(t, db, "migrate", "--max-ttl", "3s").wantStatus(0)
	waits := quick(t, db, "run", "--ttl", "3s", "--wait", "30s", "name", "--", "true")
	waits.wantStatus(0)
	if !strings.Contains(waits.errOut.String(), "waiting for \"name\": the database was failed over or restored") {
		t.Errorf("the reason is missing: %s", waits.errOut.String())
	}
}

func TestMigrateMisused(t *testing.T) {
	pg := "postgres://127.0.0.1:1/x"
	for _, args := range [][]string{
		{pg, "--grace", "maybe"}, {pg, "--max-ttl", "0s"}, {pg, "--max-ttl", "-1s"}, {pg, "--print", "--new-epoch"},
		{"sqlite:x", "--new-epoch"}, {"sqlite:x", "--grace", "off"}, {"sqlite:x", "--max-ttl", "1s"},
	} {
		quick(t, args[0], append([]string{"migrate"}, args[1:]...)...).wantStatus(statusUsage)
	}
}
