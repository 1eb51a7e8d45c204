package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// heldSQL yields the advisory locks that sessions of leasehold have in the database.
const heldSQL = `SELECT (l.classid::int8 << 32) | l.objid::int8, l.mode <> 'ExclusiveLock', l.pid, a.application_name,
		coalesce(pg_catalog.host(a.client_addr), ''),
		coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start), 0)::float8
	FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
	WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND a.application_name LIKE '%leasehold session'
		AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
	ORDER BY 1, 3`

// Held returns the locks that sessions hold, of every namespace, with who holds them: each
// under the name that Key returns for its key, since names are not stored. It is for people
// and dashboards. It takes one connection, made with the settings and hooks of the pool.
func (s *SessionStore) Held(ctx context.Context) (driver.View, error) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	v := driver.View{Leases: map[driver.ID]driver.LeaseState{}}
	conn, raw, err := s.connect(ctx, migrateTTL)
	if err != nil {
		return v, classify(err)
	}
	defer raw.Close()
	rows, err := conn.Query(ctx, heldSQL)
	if err != nil {
		return v, classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		o := keyed.Other{State: keyed.Someone()}
		var key int64
		var pid int
		var age float64
		if err := rows.Scan(&key, &o.Shared, &pid, &o.State.Info.App, &o.State.Info.Host, &age); err != nil {
			return v, err
		}
		o.Key = Key(key)
		o.State.Owner = strings.TrimSpace(fmt.Sprintf("%s (server process %d)", o.State.Info.App, pid))
		o.State.Age = time.Duration(age * float64(time.Second))
		o.AddTo(&v, o.Key)
	}
	return v, classify(rows.Err())
}
