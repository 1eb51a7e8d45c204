package table

import (
	"context"
	"database/sql"
)

// supply is how many stamps are drawn at once where there are none.
const supply = 4

// most is how many stamps are kept.
const most = 32

// stamp returns a number that nobody else writes. No I/O as a rule: statements that use
// one bring another.
func (t *Table) stamp(ctx context.Context) (int64, error) {
	t.mu.Lock()
	if n := len(t.stamps); n > 0 {
		defer t.mu.Unlock()
		s := t.stamps[n-1]
		t.stamps = t.stamps[:n-1]
		return s, nil
	}
	t.mu.Unlock()
	scan := func(rows *sql.Rows) (s int64, err error) { return s, rows.Scan(&s) }
	drawn, err := query(ctx, t, t.sql.draw, scan, supply)
	if err == nil && len(drawn) == 0 {
		err = errNoStamp
	}
	if err != nil {
		return 0, err
	}
	t.put(drawn[1:]...)
	return drawn[0], nil
}

// put adds stamps that were not written.
func (t *Table) put(stamps ...int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.stamps)+len(stamps) <= most {
		t.stamps = append(t.stamps, stamps...)
	}
}

// dropStamps is called after a failure. A server that has crashed forgets which numbers
// it gave out, if none of them was written.
func (t *Table) dropStamps() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stamps = nil
}
