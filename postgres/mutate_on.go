//go:build mutation

package postgres

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// replacement breaks one statement.
type replacement struct{ statement, old, new string }

// nap is how long a mutation that opens a window keeps it open.
const nap = `(SELECT pg_sleep(0.4)) AS nap, `

const (
	risingFence = `greatest(l.fence + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint)`
	staleFence  = `(date_part('epoch', statement_timestamp()) * 1000000)::bigint`
	clearsDead  = `coalesce(seen.holder_lease = ANY ($2::uuid[]), false) OR seen.fence = $3 AND seen.marked_at IS NOT NULL AS ends`
	seesDead    = `(l.holder_lease = ANY ($2::uuid[])`
	locksSeen   = "OR l.crowd IS NOT NULL)\n    FOR NO KEY UPDATE"
)

var replacements = map[mutation.Name][]replacement{
	mutation.FenceOutsideLock: {
		{"acquire", `greatest(l.fence + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)`, `excluded.fence`},
		{"grant", risingFence, staleFence},
		{"queue", risingFence, staleFence},
		{"batch_grant", risingFence, staleFence},
	},
	mutation.TakeOverByPlainUpdate: {
		{"take_over", `FOR UPDATE OF l SKIP LOCKED`, ``},
	},
	mutation.TakeOverFromAnybody: {
		{"take_over", seesDead, `(true`},
		{"take_over", clearsDead, `seen.holder_lease IS NOT NULL AS ends`},
	},
	mutation.SameSnapshot: {
		{"take_over", "    FROM leasehold.lock AS l\n    WHERE l.name = $1", "    FROM " + nap + "leasehold.lock AS l\n    WHERE l.name = $1"},
		{"take_over", seesDead, `(true`},
		{"take_over", locksSeen, locksSeen + " OF l"},
		{"take_over", clearsDead, `NOT EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = seen.holder_lease) AS ends`},
	},
	mutation.NoGrace: {
		{"record_epoch", `granting = e.number = 0 OR NOT (SELECT m.grace FROM leasehold.meta AS m)`, `granting = true`},
	},
	mutation.GuardWithoutLease: {
		{"guard_lease", `SELECT EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $1)`, `SELECT $1::uuid IS NOT NULL`},
	},
}

// mutated returns the text of the statement as the mutation in force has it. It panics
// where it finds nothing to replace: a mutation that changes nothing proves nothing.
func mutated(statement, text string) string {
	for name, list := range replacements {
		for _, r := range list {
			if r.statement != statement || !mutation.On(name) {
				continue
			}
			if !strings.Contains(text, r.old) {
				panic("mutation " + string(name) + ": " + statement + " has no such text: " + r.old)
			}
			text = strings.Replace(text, r.old, r.new, 1)
		}
	}
	return text
}

// SequenceID returns a lease id from a sequence in the database.
func (c *conn) SequenceID() (id driver.ID) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var next int64
	err := c.on(ctx, c.command, func(ctx context.Context, s *session, _ *statements) error {
		return s.QueryRow(ctx, c.cfg.render(`SELECT nextval('leasehold.lease_id')`)).Scan(&next)
	})
	if err != nil {
		panic("a mutation needs its sequence: " + err.Error())
	}
	binary.BigEndian.PutUint64(id[8:], uint64(next))
	return id
}
