package pglock_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

// event is that a process has got or begins to release the lock.
type event struct {
	at      time.Time
	who     string
	release bool
}

// TestFix_HandOverBetweenProcesses: two processes at default settings hand a lock to each
// other.
func TestFix_HandOverBetweenProcesses(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+db.driver+" "+db.url.String())
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		events, err := alternate(t.Context(), db.DB, "parent")
		must(t, err)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var nanos int64
			var release bool
			_, err := fmt.Sscan(lines.Text(), &nanos, &release)
			must(t, err)
			events = append(events, event{time.Unix(0, nanos), "child", release})
		}
		must(t, cmd.Wait())
		slices.SortFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
		var took time.Duration
		n := 0
		for i := 1; i < len(events); i++ {
			if a, b := events[i-1], events[i]; a.who != b.who && a.release && !b.release {
				took += b.at.Sub(a.at)
				n++
			} else if !a.release && !b.release {
				t.Fatalf("%s got the lock while %s had it", b.who, a.who)
			}
		}
		if n < 2 {
			t.Fatalf("the lock passed on %d times only", n)
		}
		mean := took / time.Duration(n)
		t.Logf("the lock passed on %d times, %v after the release on average", n, mean)
		if mean > 250*time.Millisecond {
			t.Errorf("the lock passes on %v after the release", mean)
		}
	})
}

const turnsEach = 12

// alternate takes turns with another process, and returns when it had the lock.
func alternate(ctx context.Context, db *sql.DB, who string) (events []event, err error) {
	c, err := pglock.New(db)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for range turnsEach {
		l, err := c.AcquireContext(ctx, "a")
		if err != nil {
			return nil, err
		}
		events = append(events, event{time.Now(), who, false})
		time.Sleep(20*time.Millisecond + rand.N(200*time.Millisecond))
		events = append(events, event{time.Now(), who, true})
		if err := l.Close(); err != nil {
			return nil, err
		}
		time.Sleep(100 * time.Millisecond) // the other one's turn
	}
	return events, nil
}

// child is the other process.
func child() error {
	driver, url, _ := strings.Cut(os.Getenv(childEnv), " ")
	db, err := sql.Open(driver, url)
	if err != nil {
		return err
	}
	defer db.Close()
	events, err := alternate(context.Background(), db, "child")
	for _, e := range events {
		fmt.Println(e.at.UnixNano(), e.release)
	}
	return err
}
