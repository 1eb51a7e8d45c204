package readme_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/sqlite"
)

// nightly is the function that the README shows.
func nightly(ctx context.Context, path string, report func(ctx context.Context, fence uint64) error) error {
	client, err := leasehold.Open(ctx, sqlite.Open(path), leasehold.Config{})
	if err != nil {
		return err
	}
	defer client.Close()

	err = client.TryDo(ctx, "nightly", func(ctx context.Context, lock *leasehold.Lock) error {
		// ctx ends when the lock is lost, and before anybody else gets it.
		return report(ctx, lock.Fence())
	})
	if errors.Is(err, leasehold.ErrHeld) {
		return nil // another process is at it
	}
	return err
}

func Example() {
	dir, err := os.MkdirTemp("", "leasehold-readme-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	err = nightly(context.Background(), filepath.Join(dir, "jobs.db"), func(ctx context.Context, fence uint64) error {
		fmt.Println("reporting, with a fence:", fence > 0)
		return ctx.Err()
	})
	fmt.Println("error:", err)
	// Output:
	// reporting, with a fence: true
	// error: <nil>
}

// TestOnlyOneReports runs the README's function again while it runs.
func TestOnlyOneReports(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	var fences []uint64
	report := func(ctx context.Context, fence uint64) error {
		fences = append(fences, fence)
		return nightly(ctx, path, func(context.Context, uint64) error {
			return errors.New("a second one reports meanwhile")
		})
	}
	for range 2 {
		if err := nightly(t.Context(), path, report); err != nil {
			t.Fatal(err)
		}
	}
	if len(fences) != 2 || fences[1] <= fences[0] {
		t.Fatalf("two reports, one after the other, had the fences %v", fences)
	}
}
