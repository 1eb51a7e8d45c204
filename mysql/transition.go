package mysql

import (
	"context"
	"database/sql"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// change is one transition of one row.
type change struct {
	name  string
	lease driver.ID // whose row is asked for; zero: nobody's
	// removes: it may end a grant, so it needs the row's guard.
	removes bool
	// decide changes the row, as package machine says.
	decide func(*found) (changed bool, err error)

	found
	before driver.Lock // as it was found
	state  state
	err    error
	left   time.Duration // of the pause in granting, if state is paused; 0: not known
	again  bool          // and that is over by now
}

// found is a row under its lock.
type found struct {
	lock   driver.Lock
	now    time.Time // by the server's clock, read when the row was locked
	alive  bool      // the lease asked for has a row
	exists bool
	free   bool // no guard is in progress
	meta
	// flush: what is concluded from the row must be on the disk, though it is not written.
	flush bool
	// notice is the lease whose notice is to be raised; zero: none.
	notice driver.ID
}

// state is what became of a change.
type state int

const (
	made    state = iota // or found to need nothing, or failed with an error of its own
	locked               // somebody else has the row locked
	guarded              // a guard is in progress, and it would end the grant
	paused               // it would grant, and nothing is granted now
)

// transit makes the changes, of different names and with one lease, in one transaction. It
// waits for no row: what somebody else has locked is left out, and said to be. An error
// means that none was made, or that it is not known.
//
// The first round trip locks the rows, and reads what was committed until then; so the
// clock is that of an instant at which the rows were locked, and the fences and ends of
// minimum holds made of it are never too small.
func (c *conn) transit(ctx context.Context, s *session, changes []*change) error {
	if err := c.begin(ctx, s, changes); err != nil {
		s.rollback(ctx)
		return err
	}
	var write []*change
	var notices []statement
	flush := false
	for _, ch := range changes {
		if c.decide(ch) {
			write = append(write, ch)
		}
		flush = flush || ch.state == made && ch.err == nil && ch.flush
		if !ch.notice.IsZero() {
			notices = append(notices, statement{sql: "UPDATE " + c.t.lease + " SET notice = notice + 1 WHERE id = " + idSQL(ch.notice)})
		}
	}
	script := append(c.t.writes(write), notices...)
	if len(script) == 0 && flush {
		script = plain(c.t.flushSQL())
	}
	return c.commit(ctx, s, script)
}

// commit ends the transaction with the statements, or without a trace if there are none.
func (c *conn) commit(ctx context.Context, s *session, script []statement) error {
	if len(script) == 0 {
		s.rollback(ctx)
		return nil
	}
	err := s.run(ctx, append(script, statement{sql: "COMMIT"})...)
	if err != nil && !s.broken {
		s.rollback(ctx)
	}
	return err
}

// begin locks the rows and reads them.
func (c *conn) begin(ctx context.Context, s *session, changes []*change) error {
	var names, removed []string
	byName := make(map[string]*change, len(changes))
	for _, ch := range changes {
		ch.found, ch.state, ch.err = found{lock: driver.Lock{Name: ch.name}}, locked, nil
		byName[ch.name] = ch
		names = append(names, ch.name)
		if ch.removes {
			removed = append(removed, ch.name)
		}
	}
	rows := make([]lockRow, 0, len(changes))
	script := append(plain("BEGIN"), statement{
		"SELECT " + columns + " FROM " + c.t.lock + " WHERE name IN (" + listSQL(names, bytesSQL) + ") FOR UPDATE SKIP LOCKED",
		func(r *sql.Rows) error {
			rows = append(rows, lockRow{})
			return r.Scan(rows[len(rows)-1].targets()...)
		},
	})
	if len(removed) > 0 {
		script = append(script, statement{
			"SELECT name FROM " + c.t.guard + " WHERE name IN (" + listSQL(removed, bytesSQL) + ") FOR UPDATE SKIP LOCKED",
			func(r *sql.Rows) error {
				var name []byte
				err := r.Scan(&name)
				if ch := byName[string(name)]; ch != nil {
					ch.free = true
				}
				return err
			},
		})
	}
	var m meta
	var alive bool
	script = append(script, statement{
		"SELECT " + metaColumns + ", EXISTS (SELECT 1 FROM " + c.t.lease + " WHERE id = " + idSQL(changes[0].lease) + ") FROM " + c.t.meta,
		row(append(m.targets(), &alive)...),
	})
	if err := s.run(ctx, script...); err != nil {
		return err
	}
	m.same = m.server == s.server
	s.grants(m)
	for i := range rows {
		ch := byName[string(rows[i].name)]
		ch.exists, ch.state = true, made
		ch.lock, ch.err = rows[i].lock(m.now())
	}
	for _, ch := range changes {
		ch.now, ch.alive, ch.meta = m.now(), alive, m
	}
	if len(rows) == len(changes) {
		return nil
	}
	return c.tellAbsent(ctx, s, changes)
}

// tellAbsent finds out which of the rows that were not locked exist, and makes empty ones
// of those that do not.
func (c *conn) tellAbsent(ctx context.Context, s *session, changes []*change) error {
	var names []string
	for _, ch := range changes {
		if !ch.exists {
			names = append(names, ch.name)
		}
	}
	exist := make(map[string]bool, len(names))
	err := s.run(ctx, statement{
		"SELECT name FROM " + c.t.lock + " WHERE name IN (" + listSQL(names, bytesSQL) + ")",
		func(r *sql.Rows) error {
			var name []byte
			err := r.Scan(&name)
			exist[string(name)] = true
			return err
		},
	})
	for _, ch := range changes {
		if !ch.exists && !exist[ch.name] {
			ch.state, ch.free = made, true
		}
	}
	return err
}

// decide makes the change, and reports whether it is to be written.
func (c *conn) decide(ch *change) bool {
	if ch.state != made || ch.err != nil {
		return false
	}
	ch.before = ch.lock
	changed, err := ch.decide(&ch.found)
	switch {
	case err != nil:
		ch.err = err
	case !changed:
	case (!ch.same || !ch.granting) && grants(&ch.before, &ch.lock):
		ch.state = paused
	case !ch.free && removes(&ch.before, &ch.lock):
		ch.state = guarded
	default:
		return true
	}
	return false
}

// restoreGuards makes the guards' rows that are missing: somebody has deleted them, or
// restored only some tables. What was taken for a guard in progress is then found to be none.
func (c *conn) restoreGuards(ctx context.Context, s *session, changes []*change) error {
	var rows []*driver.Lock
	for _, ch := range changes {
		if ch.state == guarded {
			rows = append(rows, &ch.lock)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return s.run(ctx, plain(c.t.makeGuardsSQL(rows))...)
}

// grants reports whether a transition granted the lock to somebody, or let somebody
// queue.
func grants(before, after *driver.Lock) bool {
	for g := range after.Grants() {
		if !before.HeldBy(g.Place) {
			return true
		}
	}
	return len(after.Queue) > len(before.Queue)
}

// removes reports whether somebody who may have a guard holds no more.
func removes(before, after *driver.Lock) bool {
	if before.Limit > 0 {
		return false // there are no guards on permits
	}
	for g := range before.Grants() {
		if !after.HeldBy(g.Place) {
			return true
		}
	}
	return false
}
