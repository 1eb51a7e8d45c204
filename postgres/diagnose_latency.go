package postgres

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

const (
	pings       = 50
	pingsLimit  = 2 * time.Second
	slowPing    = 250 * time.Millisecond // the margin of a TTL of 5 s and more
	slowCommit  = 250 * time.Millisecond
	commitTries = 10
)

// repeat measures do up to n times, for at most pingsLimit, and returns the times it
// took, least first.
func repeat(ctx context.Context, n int, do func(context.Context) error) ([]time.Duration, error) {
	var took []time.Duration
	for begin := time.Now(); len(took) < n && time.Since(begin) < pingsLimit; {
		start := time.Now()
		if err := do(ctx); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took, nil
}

// percentile returns what p per cent of the sorted times do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)-1)*p/100].Round(10 * time.Microsecond)
}

func (x *examination) latency(ctx context.Context) (driver.Finding, error) {
	took, err := repeat(ctx, pings, func(ctx context.Context) error {
		_, err := x.conn.Exec(ctx, `SELECT 1`)
		return err
	})
	if err != nil {
		return driver.Finding{}, err
	}
	middle, most := percentile(took, 50), percentile(took, 95)
	if most > slowPing {
		return diagnosis.Warning("use a TTL of many times that",
			"a round trip takes %v, and 5 %% of them more than %v", middle, most), nil
	}
	return diagnosis.OK("a round trip takes %v, 95 %% of them at most %v", middle, most), nil
}

// commitLatency times durable commits, of an empty message to the server's log.
func (x *examination) commitLatency(ctx context.Context) (driver.Finding, error) {
	if x.own == nil {
		return driver.Finding{}, nil
	}
	took, err := repeat(ctx, commitTries, func(ctx context.Context) error {
		_, err := x.own.Exec(ctx, `SELECT pg_logical_emit_message(true, 'leasehold doctor', '')`)
		return err
	})
	if err != nil {
		return driver.Finding{}, err
	}
	middle, most := percentile(took, 50), percentile(took, 95)
	if middle > slowCommit {
		return diagnosis.Warning("look at the disk of the server's log, and at its synchronous standbys",
			"a durable commit takes %v: every grant, release and renewal is one", middle), nil
	}
	return diagnosis.OK("a durable commit takes %v, round trip included (at most %v)", middle, most), nil
}

// notifyLimit is how long a notification may take to count as arrived.
const notifyLimit = 2 * time.Second

// notifications sends one from one connection to another.
func (x *examination) notifications(ctx context.Context) (driver.Finding, error) {
	if x.own == nil {
		return driver.Finding{}, nil // it needs a connection of our own, on a primary
	}
	channel := "leasehold_doctor_" + strings.ToLower(rand.Text())
	if _, err := x.own.PgConn().Exec(ctx, `LISTEN `+pgx.Identifier{channel}.Sanitize()).ReadAll(); err != nil {
		return driver.Finding{}, err
	}
	start := time.Now()
	if _, err := x.conn.Exec(ctx, `SELECT pg_notify($1::text, '')`, channel); err != nil {
		return driver.Finding{}, err
	}
	wait, cancel := context.WithTimeout(ctx, notifyLimit)
	defer cancel()
	if _, err := x.own.WaitForNotification(wait); err != nil {
		return diagnosis.Warning("connect to the server itself",
			"none arrived within %v: a hand-over waits for the next look at the row, up to a sixth of the TTL", notifyLimit), nil
	}
	took := time.Since(start).Round(10 * time.Microsecond)
	var full float64
	if err := x.conn.QueryRow(ctx, `SELECT pg_notification_queue_usage()`).Scan(&full); err != nil {
		return driver.Finding{}, err
	}
	if full > 0.5 {
		return diagnosis.Warning("end the session that listens and has a transaction open",
			"the server's queue of notifications is %.0f %% full: when it is, hand-overs fail", 100*full), nil
	}
	return diagnosis.OK("one arrived after %v", took), nil
}
