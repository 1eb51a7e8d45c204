package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/faults/internal/report"
)

func TestSummary(t *testing.T) {
	t.Parallel()
	s := report.Summarise([]history.Event{
		{Kind: history.Called}, {Kind: history.Granted}, {Kind: history.LetGo}, {Kind: history.Called}, {Kind: history.Refused},
		{Kind: history.Revoking}, {Kind: history.Revoked}, {Kind: history.Revoked, Detail: "not held"},
		{Kind: history.Begun, ID: "a"}, {Kind: history.Acked, ID: "a"}, {Kind: history.Begun, ID: "b"}, {Kind: history.Begun, ID: "c"},
		{Kind: history.Unknown, ID: "c"}, {Kind: history.Lost, Detail: "revoked"}, {Kind: history.Fault, Detail: "kill"}, {Kind: history.Fault, Detail: "kill"},
	}, check.Remains{Ledger: []database.Entry{{ID: "a"}, {ID: "c"}}})
	if s.Operations != 8 || s.Grants != 1 || s.Refusals != 1 || s.Revoked != 1 {
		t.Errorf("%d operations, %d grants, %d refusals, %d revoked", s.Operations, s.Grants, s.Refusals, s.Revoked)
	}
	if s.Increments[history.Acked] != 1 || s.Increments[history.Unknown] != 2 || s.Resolved != 1 {
		t.Errorf("increments %v, %d resolved", s.Increments, s.Resolved)
	}
	if s.Losses["revoked"] != 1 || s.Faults["kill"] != 2 {
		t.Errorf("losses %v, faults %v", s.Losses, s.Faults)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	r := report.Result{Store: "memory", Seed: 77, Worked: time.Second, Directory: "/somewhere"}
	if text := printed(t, r); !strings.Contains(text, "seed 77") || strings.Contains(text, "/somewhere") {
		t.Errorf("without violations:\n%s", text)
	}
	for range 30 {
		r.Violations = append(r.Violations, check.Violation{Kind: check.Ghost, Name: "n", Text: "it is"})
	}
	text := printed(t, r)
	if !strings.Contains(text, "/somewhere") || strings.Count(text, `ghost of "n": it is`) != 20 {
		t.Errorf("with violations:\n%s", text)
	}
}

func printed(t *testing.T, r report.Result) string {
	t.Helper()
	var out strings.Builder
	if err := report.Print(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
