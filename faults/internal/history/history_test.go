package history_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

func TestEventsComeBackInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := create(t, dir, "0.1"), create(t, dir, "1.1")
	second.Record(history.Event{At: 20, Client: "1.1.1", Kind: history.Granted, Op: 3, Name: "n\nm", Fence: 1 << 63, Until: time.Second})
	first.Record(history.Event{At: 30, Kind: history.Fault, Detail: "kill"})
	first.Record(history.Event{At: 10, Kind: history.Opened})
	first.Record(history.Event{Kind: history.Closed})
	events, err := history.Read(dir)
	if err != nil || len(events) != 4 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	want := history.Event{At: 20, Client: "1.1.1", Kind: history.Granted, Op: 3, Name: "n\nm", Fence: 1 << 63, Until: time.Second}
	if events[0].At != 10 || events[1] != want || events[2].At != 30 {
		t.Errorf("read %+v", events)
	}
	if events[3].At <= 30 {
		t.Errorf("an event without an instant got %v", events[3].At)
	}
}

func TestHalfALineOfAKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := create(t, dir, "0.1")
	w.Record(history.Event{At: 1, Kind: history.Opened})
	tear(t, dir, `{"at":2,"kin`)
	if events, err := history.Read(dir); err != nil || len(events) != 1 {
		t.Errorf("half a line at the end: %d events, %v", len(events), err)
	}
	tear(t, dir, "\n")
	if _, err := history.Read(dir); err == nil {
		t.Error("a damaged line in the middle is taken for none")
	}
}

func TestNoFileIsWrittenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	create(t, dir, "0.1")
	if _, err := history.Create(dir, "0.1"); err == nil {
		t.Error("a second process with the same name")
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	dir, same, other := t.TempDir(), t.TempDir(), t.TempDir()
	for _, d := range []string{dir, same, other} {
		create(t, d, "1.1").Record(history.Event{At: 1, Kind: history.Opened})
		create(t, d, "0.1").Record(history.Event{At: 2, Kind: history.Opened})
	}
	tear(t, other, `{"at":3}`)
	if err := os.WriteFile(filepath.Join(same, "0.1.output"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if sum(t, dir) != sum(t, same) || sum(t, dir) == sum(t, other) {
		t.Errorf("the sums are %s, of the same %s, of another %s", sum(t, dir), sum(t, same), sum(t, other))
	}
	if _, err := history.Sum(filepath.Join(dir, "[")); err == nil {
		t.Error("a sum of no directory")
	}
}

func sum(t *testing.T, dir string) string {
	t.Helper()
	s, err := history.Sum(dir)
	if err != nil || len(s) != 64 {
		t.Fatalf("sum %q, %v", s, err)
	}
	return s
}

func TestProcess(t *testing.T) {
	t.Parallel()
	if got := history.Process("3.2.11"); got != "3.2" {
		t.Errorf("the process of 3.2.11 is %s", got)
	}
}

func create(t *testing.T, dir, process string) *history.Writer {
	t.Helper()
	w, err := history.Create(dir, process)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// tear appends to the file of process 0.1.
func tear(t *testing.T, dir, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "0.1.history"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
