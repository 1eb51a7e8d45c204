package advisory_test

import (
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
)

func TestHazard35_AdvisoryRefusesAPooler(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		for _, test := range []struct {
			mode     pgbouncer.Mode
			settings map[string]string
			refused  bool
		}{
			{pgbouncer.Transaction, nil, true},
			{pgbouncer.Transaction, map[string]string{"server_round_robin": "1"}, true},
			{pgbouncer.Statement, nil, true},
			{pgbouncer.Session, nil, false},
		} {
			pooler := pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: test.mode, Settings: test.settings})
			db := openURL(t, driver, pooler.URL())
			for range 3 {
				l, err := pglock.New(t.Context(), newKey(), db)
				if errors.Is(err, pglock.ErrPooler) != test.refused || (l == nil) != test.refused {
					t.Fatalf("mode %s, %v: %v", test.mode, test.settings, err)
				}
				if l != nil {
					must(t, l.Lock(t.Context()))
					must(t, l.Close())
				}
			}
			_ = db.Close()
		}
	})
}
