package distrlock

import (
	"context"
	"database/sql"
	"time"

	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/reply"
)

// clearAway gives back what an acquisition took, or may have taken, whose caller has gone. It tries until
// the database has answered, for one TTL at most: after that the lease is over.
func clearAway(db *sql.DB, do *statements, c call, ttl time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), ttl)
	defer cancel()
	for pause := range backoff.Seq(ttl/100, ttl/10) {
		try, done := context.WithTimeout(ctx, keepalive.CallTimeout(ttl))
		_, err := exec(try, db, do.release, c)
		done()
		if err == nil || reply.Refused(err) || !backoff.Sleep(ctx, pause) {
			return
		}
	}
}
