package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Read implements driver.Conn. Whether the leases live is asked after the
// snapshot was taken; the answer Dead is for ever.
func (c *conn) Read(ctx context.Context, q driver.Query) (driver.View, error) {
	l := c.reader
	if q.Keepalive {
		l = c.keeper
	}
	return do(ctx, c, l, func() (driver.View, error) {
		v, err := inTx(l, func(tx *tx) (driver.View, error) { return tx.view(q) })
		now := time.Now()
		for id, lease := range v.Leases {
			c.leases.examine(&lease, now)
			v.Leases[id] = lease
		}
		return v, err
	})
}

func (t *tx) view(q driver.Query) (driver.View, error) {
	v := driver.View{Leases: map[driver.ID]driver.LeaseState{}}
	if err := t.row(`SELECT epoch FROM leasehold_meta`).Scan(&v.Epoch); err != nil {
		return v, err
	}
	var err error
	switch {
	case q.Names != nil:
		v.Locks, err = t.named(q.Names)
	case !q.Lease.IsZero():
		v.Locks, err = t.naming(q.Lease)
	default:
		v.Locks, err = t.page(q)
	}
	for i := range v.Locks {
		if err == nil {
			err = t.describe(v.Leases, &v.Locks[i])
		}
	}
	return v, err
}

// named reads the rows of these names, as far as they exist.
func (t *tx) named(names []string) ([]driver.Lock, error) {
	locks := make([]driver.Lock, 0, len(names))
	for _, name := range names {
		r, err := t.load(name)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l, err := t.decode(r)
		if err != nil {
			return nil, err
		}
		locks = append(locks, *l)
	}
	return locks, nil
}

// naming reads the rows that name the lease. The bytes of its id may also occur
// across two ids, so each row is looked at.
func (t *tx) naming(lease driver.ID) ([]driver.Lock, error) {
	locks, err := t.rows(`
		SELECT `+columns+` FROM leasehold_lock
		WHERE holder_lease = ?1 OR instr(queue, ?1) > 0 OR instr(crowd, ?2) > 0`, lease[:], lease.String())
	return slices.DeleteFunc(locks, func(l driver.Lock) bool { return !l.Names(lease) }), err
}

// page reads rows in byte order of the name.
func (t *tx) page(q driver.Query) ([]driver.Lock, error) {
	return t.rows(`
		SELECT `+columns+` FROM leasehold_lock
		WHERE name > ?1 AND name >= ?2 AND (?3 IS NULL OR name < ?3)
		ORDER BY name LIMIT ?4`,
		[]byte(q.After), []byte(q.Prefix), above(q.Prefix), q.Limit)
}

// rows reads the rows that a query yields.
func (t *tx) rows(query string, args ...any) ([]driver.Lock, error) {
	rows, err := t.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var locks []driver.Lock
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		l, err := t.decode(r)
		if err != nil {
			return nil, err
		}
		locks = append(locks, *l)
	}
	return locks, rows.Err()
}

// above returns the least string that is larger than all that start with prefix,
// or nil if there is none.
func above(prefix string) []byte {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

// describe adds the leases that l names, as far as they exist.
func (t *tx) describe(leases map[driver.ID]driver.LeaseState, l *driver.Lock) error {
	add := func(id driver.ID) error {
		if _, ok := leases[id]; ok {
			return nil
		}
		state, err := t.lease(id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		leases[id] = state
		return err
	}
	var err error
	for p := range l.Places() {
		err = errors.Join(err, add(p.Lease))
	}
	return err
}
