package postgres

import (
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

// TestDamagedRow: a row that breaks an invariant is reported, with its name and what
// is wrong, and other names go on.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	for damage, what := range map[string]string{
		`fence = 0`:            "the fence",
		`fence = -5`:           "the fence",
		`holder_ticket = NULL`: "the holder",
		`granted_at = NULL`:    "the holder",
		`mark_by = 'x'`:        "the mark",
		`holder_lease = NULL, holder_ticket = NULL, granted_at = NULL, mark_by = '', mark_reason = '', marked_at = now()`: "the mark",
		`queue_leases = ARRAY[holder_lease]`:                                                                   "the queue",
		`queue_leases = ARRAY[holder_lease], queue_tickets = ARRAY[holder_ticket]`:                             "an attempt occurs twice",
		`queue_leases = array_fill(holder_lease, '{2}'), queue_tickets = array_fill(gen_random_uuid(), '{2}')`: "an attempt occurs twice",
	} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			pool, schema := testPool(t), testSchema(t)
			c := newClient(t, New(pool, Config{Schema: schema}))
			c.hold("a")
			execSQL(t, pool, `UPDATE `+schema+`.lock SET `+damage)

			ctx := t.Context()
			_, names := c.Read(ctx, driver.Query{Names: []string{"a"}})
			_, page := c.Read(ctx, driver.Query{Limit: 10})
			_, tried := c.Acquire(ctx, c.attempt("a"), false)
			for call, err := range map[string]error{"Read": names, "Read of a page": page, "Acquire": tried} {
				if err == nil || !driver.IsPermanent(err) || !strings.Contains(err.Error(), `"a" is damaged (`+what) {
					t.Errorf("%s: %v", call, err)
				}
			}
			c.hold("b") // the others go on
		})
	}
}
