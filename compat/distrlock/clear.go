package distrlock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
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
		if err == nil || answered(err) || !backoff.Sleep(ctx, pause) {
			return
		}
	}
}

// answered reports whether an error is the server's answer, so that nothing was changed. Else
// the outcome is unknown. The drivers of PostgreSQL tell by a method; that of MySQL only by its
// error's type, which must not be imported here.
func answered(err error) bool {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if fmt.Sprintf("%T", err) == "*mysql.MySQLError" {
			return true
		}
	}
	return false
}
