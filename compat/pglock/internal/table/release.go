package table

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// Release implements driver.Conn.
func (t *Table) Release(ctx context.Context, a driver.Attempt) (driver.Outcome, error) {
	r, err := t.use(ctx, a.Name)
	if err != nil {
		return driver.Absent, err
	}
	defer t.done(r)
	t.mu.Lock()
	held := r.lock.HeldBy(a.Place())
	stays := !held && (r.own() || len(r.stamps) == 0 || len(r.lock.Queue) > 1)
	var outcome driver.Outcome
	if !held {
		outcome, _ = machine.Release(&r.lock, a.Place(), time.Now())
		stays = stays || len(r.lock.Queue) > 0
	}
	if stays {
		t.mu.Unlock()
		return outcome, nil
	}
	rows := t.leave(r) // before the stamps are read: none comes after this
	t.mu.Unlock()
	if err := t.free(ctx, rows); err != nil {
		return driver.Absent, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !held {
		t.haunt(r, r.stamps)
		t.disown(r)
		return outcome, nil
	}
	t.vacateOwn(r)
	return driver.Released, nil
}

// leaving is the rows that are given up, of which some are kept.
type leaving struct{ freed, kept pairs }

// leave begins to give up the row: no renewal that starts from here on touches it.
func (t *Table) leave(rows ...*row) (l leaving) {
	for _, r := range rows {
		r.leaving = true
		if r.keep {
			l.kept.add(r.lock.Name, r.stamps...)
		} else {
			l.freed.add(r.lock.Name, r.stamps...)
		}
	}
	return l
}

// free frees rows in the table, those that bear what is expected of them.
func (t *Table) free(ctx context.Context, l leaving) error {
	for _, step := range []struct {
		statement string
		pairs
	}{{t.sql.free, l.freed}, {t.sql.keep, l.kept}} {
		if len(step.names) == 0 {
			continue
		}
		leave, err := t.enterLane(ctx)
		if err != nil {
			return err
		}
		err = t.exec(ctx, step.statement, texts(step.names), texts(step.rvns))
		leave()
		if err != nil {
			t.dropStamps()
			return err
		}
	}
	return nil
}

// vacateOwn notes that the client has the row no more. Those who wait for it in this
// process ask the table like anybody else, and later than others if the client's turn is
// over.
func (t *Table) vacateOwn(r *row) {
	now := clock.Now()
	t.disown(r)
	r.freed = now
	r.lock.Holder, r.lock.Since = driver.Place{}, time.Time{}
	switch {
	case len(r.lock.Queue) == 0:
	case r.turnOver(now):
		t.await(r, now, now.Add(yield))
	default:
		t.await(r, now, now)
	}
}
