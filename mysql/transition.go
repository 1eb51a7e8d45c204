package mysql

import (
	"context"
	"database/sql"
	"slices"
	"strings"
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
	state state
	err   error
	left  time.Duration // of the pause in granting, if state is paused; 0: not known
	again bool          // and that is over by now
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
	var write, create []*driver.Lock
	script := []statement{}
	flush := false
	for _, ch := range changes {
		changed := c.decide(ch)
		flush = flush || ch.state == made && ch.err == nil && ch.flush
		switch {
		case !changed:
			continue
		case ch.exists:
			write = append(write, &ch.lock)
		default:
			create = append(create, &ch.lock)
		}
		if !ch.notice.IsZero() {
			script = append(script, statement{sql: "UPDATE " + c.t.lease + " SET notice = notice + 1 WHERE id = " + idSQL(ch.notice)})
		}
	}
	script = append(c.writes(write, create), script...)
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
	var alive, exist int
	script = append(script, statement{
		"SELECT " + metaColumns + ", (SELECT COUNT(*) FROM " + c.t.lease + " WHERE id = " + idSQL(changes[0].lease) + ")" +
			", (SELECT COUNT(*) FROM " + c.t.lock + " WHERE name IN (" + listSQL(names, bytesSQL) + ")) FROM " + c.t.meta,
		row(append(m.targets(), &alive, &exist)...),
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
		ch.now, ch.alive, ch.meta = m.now(), alive > 0, m
	}
	if exist == len(rows) {
		return absent(changes, nil)
	}
	return c.tellAbsent(ctx, s, changes, names)
}

// tellAbsent finds out which of the rows that were not locked exist.
func (c *conn) tellAbsent(ctx context.Context, s *session, changes []*change, names []string) error {
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
	if err != nil {
		return err
	}
	return absent(changes, exist)
}

// absent makes empty rows of those that do not exist.
func absent(changes []*change, exist map[string]bool) error {
	for _, ch := range changes {
		if !ch.exists && !exist[ch.name] {
			ch.state, ch.free = made, true
		}
	}
	return nil
}

// decide makes the change, and reports whether it is to be written.
func (c *conn) decide(ch *change) bool {
	if ch.state != made || ch.err != nil {
		return false
	}
	before := ch.lock
	changed, err := ch.decide(&ch.found)
	switch {
	case err != nil:
		ch.err = err
	case !changed:
	case (!ch.same || !ch.granting) && grants(&before, &ch.lock):
		ch.state = paused
	case !ch.free && removes(&before, &ch.lock):
		ch.state = guarded
	default:
		return true
	}
	return false
}

// writes returns the statements that write the rows.
func (c *conn) writes(write, create []*driver.Lock) (script []statement) {
	byName := func(a, b *driver.Lock) int { return strings.Compare(a.Name, b.Name) }
	if len(write) > 0 {
		script = append(script, statement{sql: c.t.writeSQL(write)})
	}
	if len(create) > 0 {
		slices.SortFunc(create, byName) // whoever waits for another's new row, waits in this order
		script = append(script,
			statement{sql: c.t.makeSQL(create)},
			statement{sql: "INSERT IGNORE INTO " + c.t.guard + " (name) VALUES " +
				listSQL(create, func(l *driver.Lock) string { return "(" + bytesSQL(l.Name) + ")" })})
	}
	return script
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
