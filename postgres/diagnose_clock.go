package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

// sample is one reading of both clocks at the same time, give or take.
type sample struct {
	here   time.Time     // elapsed time of this host
	wall   time.Time     // its time of day
	there  time.Time     // the server's time of day
	within time.Duration // how far apart here and there may be
}

// takeSample asks a few times and keeps the reading that took the least time.
func takeSample(ctx context.Context, conn *pgx.Conn) (sample, error) {
	best := sample{within: math.MaxInt64}
	for range 8 {
		var micros int64
		before := clock.Now()
		err := conn.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`).Scan(&micros)
		after, wall := clock.Now(), time.Now().Round(0)
		if err != nil {
			return best, err
		}
		if half := after.Sub(before) / 2; half < best.within {
			best = sample{here: before.Add(half), wall: wall.Add(-half), there: time.UnixMicro(micros), within: half}
		}
	}
	return best, nil
}

const (
	clockSpan  = 2 * time.Second // between two samples that give a rate
	worstRate  = 0.005           // the least part of a TTL that a margin is
	badRate    = 0.001
	aheadLimit = 2 * time.Second
)

// clock compares how fast the server's clock runs with this host's, and by how much
// they differ. Trust depends on the first; nothing but fences across a failover on
// the second.
func (x *examination) clock(ctx context.Context) (driver.Finding, error) {
	select {
	case <-time.After(x.span - clock.Since(x.first.here)):
	case <-ctx.Done():
		return driver.Finding{}, ctxError(ctx)
	}
	last, err := takeSample(ctx, x.conn)
	if err != nil {
		return driver.Finding{}, err
	}
	if ahead, err := x.ahead(ctx); err != nil || ahead > aheadLimit {
		return diagnosis.Warning("keep the clocks of the database's hosts synchronous",
			"the server's clock was set back: a lease was renewed %v from now", ahead.Round(time.Millisecond)), err
	}
	return rateFinding(x.first, last), nil
}

func rateFinding(first, last sample) driver.Finding {
	span := last.here.Sub(first.here)
	doubt := float64(first.within+last.within) / float64(span)
	rate := float64(last.there.Sub(first.there)-span) / float64(span)
	offset := last.there.Sub(last.wall).Round(time.Millisecond)
	const advice = "find out which clock is wrong: that of this host, or that of the server"
	switch off := math.Abs(rate) - doubt; {
	case off > worstRate:
		return diagnosis.Problem(advice, "the server's clock runs %+.2f %% against this host's, or was set while we looked: "+
			"trust in a lease assumes less than 0.5 %%", 100*rate)
	case off > badRate:
		return diagnosis.Warning(advice, "the server's clock runs %+.2f %% against this host's", 100*rate)
	}
	return diagnosis.OK("same rate as this host's (within %.2f %%); the time of day differs by %v, on which no lock depends", 100*(math.Abs(rate)+doubt), offset)
}

// ahead returns by how much the latest renewal lies in the future of the server's
// clock; 0 where that cannot be seen.
func (x *examination) ahead(ctx context.Context) (time.Duration, error) {
	if !x.tables {
		return 0, nil
	}
	var micros int64
	sql := x.cfg.render(`SELECT coalesce((extract(epoch FROM max(renewed_at) - clock_timestamp()) * 1000000)::bigint, 0) FROM leasehold.lease`)
	err := x.conn.QueryRow(ctx, sql).Scan(&micros)
	if hasCode(err, codeNoPrivilege) {
		err = nil
	}
	return max(microseconds(micros), 0), err
}
