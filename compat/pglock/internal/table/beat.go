package table

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

var errLocked = errors.New("somebody keeps the lock's row locked")

// errYoung: the row came to be while others were renewed. The next renewal finds it.
var errYoung = errors.New("a lock was acquired during the renewal")

// ErrLost: the row of the lock is gone, or bears the RVN of somebody else.
var ErrLost = errors.New("the lock's row was taken over or deleted")

// Beat gives the row of the attempt a new RVN now. ErrLost: it was lost before.
func (t *Table) Beat(ctx context.Context, a driver.Attempt) error {
	call, cancel := context.WithTimeout(ctx, t.callTimeout()) // the engine's renewals wait for this one
	defer cancel()
	if err := t.beat(call, func(r *row) bool { return r.lock.Name == a.Name }); err != nil {
		return err
	}
	if _, _, ok := t.Held(a); !ok {
		return ErrLost
	}
	return nil
}

// renewing is one renewal of rows.
type renewing struct {
	stamp int64
	sent  time.Time
	rows  []renewed
	pairs pairs
}

type renewed struct {
	*row
	pending bool // when it was sent
}

// beat renews the rows that match. Nil: all of them have a new RVN, given by a statement
// that was sent after beat began, or are noted as lost.
func (t *Table) beat(ctx context.Context, match func(*row) bool) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	b, err := t.gather(ctx, match)
	if err != nil || len(b.rows) == 0 {
		return err
	}
	type answer struct {
		name  sql.NullString
		stamp sql.NullInt64
	}
	scan := func(rows *sql.Rows) (a answer, err error) { return a, rows.Scan(&a.name, &a.stamp) }
	answers, err := query(ctx, t, t.sql.beat, scan, b.stamp, texts(b.pairs.names), texts(b.pairs.rvns))
	if err != nil {
		t.dropStamps()
		return err
	}
	names := make(map[string]bool, len(answers))
	for _, a := range answers {
		if names[a.name.String] = a.name.Valid; a.stamp.Valid {
			t.put(a.stamp.Int64)
		}
	}
	return t.judge(ctx, b, t.settle(b, names))
}

// gather notes what is about to be renewed: from here on the rows may bear the new stamp.
func (t *Table) gather(ctx context.Context, match func(*row) bool) (b renewing, err error) {
	if !t.any(match) {
		return b, nil
	}
	if b.stamp, err = t.stamp(ctx); err != nil {
		t.dropStamps()
		return b, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, r := range t.rows {
		if r.beats(match) {
			b.pairs.add(name, r.stamps...)
			b.rows = append(b.rows, renewed{r, r.pending})
			r.stamps = append(slices.Clip(r.stamps), b.stamp)
		}
	}
	b.sent = clock.Now()
	return b, nil
}

func (r *row) beats(match func(*row) bool) bool {
	return len(r.stamps) > 0 && !r.leaving && match(r)
}

func (t *Table) any(match func(*row) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rows {
		if r.beats(match) {
			return true
		}
	}
	return false
}

// settle notes which rows have the new stamp. It returns the names of those that may be
// there and have not.
func (t *Table) settle(b renewing, names map[string]bool) (missing []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range b.rows {
		i := slices.Index(r.stamps, b.stamp)
		switch {
		case i < 0 || r.leaving: // it was given up meanwhile
		case names[r.lock.Name]:
			if r.pending && i > 1 { // one of them was written, but which?
				t.haunt(r.row, r.stamps[:i])
			}
			r.stamps, r.rvn, r.sent = slices.Clone(r.stamps[i:]), b.stamp, b.sent
		default:
			missing = append(missing, r.lock.Name)
		}
	}
	return missing
}

// judge looks what has become of the rows that were not renewed.
func (t *Table) judge(ctx context.Context, b renewing, missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	seen, err := query(ctx, t, t.sql.look, scanSeen, texts(missing))
	if err != nil {
		return err
	}
	bears := map[string]sql.NullInt64{}
	for _, s := range seen {
		bears[s.name] = s.rvn
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range b.rows {
		i, rvn := slices.Index(r.stamps, b.stamp), bears[r.lock.Name]
		ours := rvn.Valid && slices.Contains(r.stamps, rvn.Int64)
		switch {
		case i < 0 || r.leaving || !slices.Contains(missing, r.lock.Name): // renewed, or given up meanwhile
		case !ours && r.row.pending:
			// What was to be renewed was not there yet. If it comes, it is younger.
			r.stamps = slices.Delete(slices.Clone(r.stamps), i, i+1)
		case !ours && r.pending:
			err = errYoung
		case !ours:
			t.lose(r.row)
		case clock.Since(r.sent) > t.cfg.Lease/2:
			t.haunt(r.row, r.stamps) // one lock is given up, so that the others can be kept
			t.lose(r.row)
		default:
			err = errLocked
		}
	}
	return err
}

// lose notes that the row is the client's no more. Listen tells, and the lease's next renewal.
func (t *Table) lose(r *row) {
	if l := t.leases[r.lease]; l != nil {
		l.notice++
		t.wake()
	}
	if r.own() {
		t.vacateOwn(r)
	} else {
		t.disown(r)
	}
}
