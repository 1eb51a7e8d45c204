package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// A guard of a named lock is a lock of a row, under the same name, which the guarded
// transaction shares. Whoever takes the named lock then looks whether anybody has that row
// locked, and lets go again if so. Either order of the two leaves one of them refused: the
// guard looks whether the session has the named lock when it has the row.

// guardSession guards a lock of a SessionStore.
func guardSession(ctx context.Context, tx *sql.Tx, hold driver.Hold, c *keyed.Conn) error {
	_, session, err := c.Prove(hold.Attempt)
	if err != nil {
		return fmt.Errorf("%w: %w", leasehold.ErrNotHeld, err)
	}
	h, ok := session.(*named)
	if !ok {
		return fmt.Errorf("%w: the lock is not of a mysql store", leasehold.ErrUnsupported)
	}
	key := c.Key(hold.Name)
	if h.guards == "" {
		return fmt.Errorf("%w: a guard needs a table, and there is none without fences", leasehold.ErrUnsupported)
	}
	if err := h.makeGuard(ctx, key); err != nil {
		return err
	}
	var name string
	err = tx.QueryRowContext(ctx, "SELECT name FROM "+h.guards+" WHERE name = '"+key+"' LOCK IN SHARE MODE").Scan(&name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: the transaction is of another server", leasehold.ErrNotHeld)
	case err != nil:
		return classify(err)
	}
	// Once more: from the row's lock on nobody in the process is granted the lock without
	// a look.
	if _, session, err = c.Prove(hold.Attempt); err != nil || session != h {
		return errors.Join(leasehold.ErrNotHeld, err)
	}
	var holds bool
	id := number(h.id)
	err = tx.QueryRowContext(ctx, "SELECT IFNULL(IS_USED_LOCK('"+key+"') = "+id+" AND IS_USED_LOCK('"+h.main.mark+"') = "+id+", 0)").Scan(&holds)
	if err == nil && !holds {
		err = fmt.Errorf("%w: its session has ended, or the transaction is of another server", leasehold.ErrNotHeld)
	}
	return classify(err)
}

// makeGuard makes the guard's row unless it is there. It is on a connection of ours: in the
// caller's transaction others would wait for it.
func (h *named) makeGuard(ctx context.Context, key string) error {
	return h.beside(ctx, func(ctx context.Context, s *session) error {
		found, err := s.strings(ctx, "SELECT name FROM "+h.guards+" WHERE name = '"+key+"'")
		if err == nil && len(found) == 0 {
			err = s.run(ctx, plain("INSERT IGNORE INTO "+h.guards+" (name) VALUES ('"+key+"')")...)
		}
		return err
	})
}

// guarded returns those of the keys that a guard in progress has.
func (h *named) guarded(ctx context.Context, s *session, keys []string) ([]string, error) {
	in := " FROM " + h.guards + " WHERE name IN ("
	ever, err := s.strings(ctx, "SELECT name"+in+quoted(keys)+")")
	if err != nil || len(ever) == 0 {
		return nil, err
	}
	free, err := s.strings(ctx, "SELECT name"+in+quoted(ever)+") FOR UPDATE SKIP LOCKED")
	return slices.DeleteFunc(ever, func(key string) bool { return slices.Contains(free, key) }), err
}

// looks returns the steps that are to be followed by a look for guards.
func (h *named) looks(b *keyed.Batch) (steps []int) {
	for i, step := range b.Steps {
		if h.guards != "" && b.Done[i] && (step == keyed.TryExclusive || step == keyed.Unguarded) {
			steps = append(steps, i)
		}
	}
	return steps
}

// refuse turns those steps into refusals whose key is guarded, and returns the keys that are
// to be given back.
func refuse(b *keyed.Batch, steps []int, guarded []string) (back []string) {
	for _, i := range steps {
		if slices.Contains(guarded, b.Keys[i]) {
			b.Done[i] = false
			if b.Steps[i] == keyed.TryExclusive {
				back = append(back, b.Keys[i])
			}
		}
	}
	return back
}

// strings returns the one column that a query yields.
func (s *session) strings(ctx context.Context, text string) (all []string, err error) {
	err = s.run(ctx, statement{text, func(rows *sql.Rows) error {
		var one string
		err := rows.Scan(&one)
		all = append(all, one)
		return err
	}})
	return all, err
}

// quoted returns the names of locks as literals. They have no quotes.
func quoted(keys []string) string {
	return listSQL(keys, func(key string) string { return "'" + key + "'" })
}
