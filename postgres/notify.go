package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// grant is a committed hand-over, or with a fence of 0, a revocation.
type grant struct {
	name          string
	lease, ticket *[16]byte // of the new holder; nil: the lock was freed
	fence         int64
}

// payload returns the text that hint reads.
func (g grant) payload() string {
	var b [24]byte
	copy(b[:16], g.ticket[:])
	binary.BigEndian.PutUint64(b[16:], uint64(g.fence))
	return hex.EncodeToString(b[:]) + g.name
}

// notify tells the clients of committed hand-overs, all with one statement. If it fails
// they find out by looking.
func (t *turn) notify(ctx context.Context) {
	if len(t.untold) > 0 {
		q := t.telling()
		_, _ = t.session.Exec(ctx, q.sql, q.args...)
	}
}

// telling returns the statement for that, and takes the hand-overs for told.
func (t *turn) telling() question {
	channels, payloads := make([]string, len(t.untold)), make([]string, len(t.untold))
	for i, g := range t.untold {
		channels[i], payloads[i] = channel(driver.ID(*g.lease)), g.payload()
	}
	t.untold = nil
	return question{t.sql.notify, []any{channels, payloads}, func(rows pgx.Rows) error {
		rows.Close()
		return rows.Err()
	}}
}
