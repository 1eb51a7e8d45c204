package postgres

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// maxTries is how many batches in a row may leave a call out.
const maxTries = 5

// errLocked is returned for a row that somebody else keeps locked. It passes.
var errLocked = errors.New("the lock's row is locked by another transaction")

// batch makes calls of different names, of one lease, together. None of its statements
// waits for a row. It returns the calls that are to be made again; an error means that
// the outcome of all is unknown.
func (t *turn) batch(ctx context.Context, calls []*call) (again []*call, err error) {
	t.shared = len(calls) > 1
	if err := t.know(ctx); err != nil {
		return nil, err
	}
	left, bad, err := t.common(ctx, calls)
	if err != nil {
		return nil, err
	}
	t.each(ctx, bad)
	if len(left) == 0 {
		return nil, nil
	}
	t.notify(ctx)
	open, err := t.rest(ctx, left)
	if refused(err) {
		t.each(ctx, left)
		return nil, nil
	}
	for _, r := range open {
		if r.tries++; r.tries >= maxTries {
			t.giveUp(ctx, open)
			return nil, err
		}
	}
	return open, err
}

// know finds out which incarnation the session is of, if that is not known.
func (t *turn) know(ctx context.Context) error {
	if t.session.epoch != 0 {
		return nil
	}
	m, err := t.session.readMeta(ctx, t.sql)
	t.session.belongs(m.epoch, err == nil && m.same)
	return err
}

// giveUp ends calls that batches have left out: the first acquisition is asked for alone,
// for what keeps it, if not its row, keeps the others too.
func (t *turn) giveUp(ctx context.Context, calls []*call) {
	var why error
	for _, r := range calls {
		switch {
		case r.release:
			r.outcome = driver.Busy
		case why == nil && !t.conn.locked[r.Name]:
			t.alone(ctx, r)
			if why = classify(r.err); why == nil || refused(why) || driver.IsPermanent(why) {
				why = errLocked
			}
			r.err = classify(r.err)
		default:
			r.err = cmp.Or(why, errLocked)
			t.conn.locked.set(r.Name, errors.Is(r.err, errLocked))
		}
	}
}

// each makes calls one by one.
func (t *turn) each(ctx context.Context, calls []*call) {
	for _, r := range calls {
		t.alone(ctx, r)
		r.err = classify(r.err)
	}
}

// list is the calls of one statement, and its arguments.
type list struct {
	calls   []*call
	names   []string
	tickets [][16]byte
	waits   []bool
}

func sized(n int) list {
	return list{make([]*call, 0, n), make([]string, 0, n), make([][16]byte, 0, n), make([]bool, 0, n)}
}

func (l *list) add(r *call) {
	l.calls = append(l.calls, r)
	l.names = append(l.names, r.Name)
	l.tickets = append(l.tickets, r.Ticket)
	l.waits = append(l.waits, r.wait)
}

// common makes what is common: a grant, a place in a queue, a release. It returns the calls
// left to be made, and apart from them those of batches that the server has refused: one
// call of each may be to blame.
func (t *turn) common(ctx context.Context, calls []*call) (left, bad []*call, err error) {
	if t.session.lent == nil {
		return t.stream(ctx, calls)
	}
	var batch pgx.Batch
	for _, q := range t.questions(calls) {
		batch.Queue(q.sql, q.args...).Query(q.read)
	}
	err = t.session.SendBatch(ctx, &batch).Close()
	if refused(err) {
		t.undone(calls, 0)
		return nil, calls, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return t.left(calls), nil, nil
}

// questions returns the statements for that, which share a commit. What they return counts
// only when that is known.
func (t *turn) questions(calls []*call) (list []question) {
	releases, acquisitions := sized(len(calls)), sized(len(calls))
	for _, r := range calls {
		if r.release {
			releases.add(r)
		} else {
			acquisitions.add(r)
		}
	}
	lease := [16]byte(calls[0].Lease)
	if len(releases.calls) > 0 {
		list = append(list, question{
			t.sql.batchPass, []any{releases.names, releases.tickets, lease, t.session.epoch, t.session.timeline},
			func(rows pgx.Rows) error { return t.passed(rows, releases.calls) },
		})
	}
	if len(acquisitions.calls) > 0 {
		list = append(list, question{
			t.sql.batchGrant, []any{acquisitions.names, acquisitions.tickets, acquisitions.waits, lease, t.session.epoch, t.session.timeline},
			func(rows pgx.Rows) error { return t.granted(rows, acquisitions.calls) },
		})
	}
	return list
}

// undone notes that a batch was not committed; untold is how many hand-overs were to be told
// of before it.
func (t *turn) undone(calls []*call, untold int) {
	t.untold = t.untold[:untold]
	for _, r := range calls {
		r.made = false
	}
}

// left notes which calls were made, and committed, and returns the others.
func (t *turn) left(calls []*call) (left []*call) {
	for _, r := range calls {
		if r.made {
			t.conn.locked.set(r.Name, false)
		} else {
			left = append(left, r)
		}
	}
	if len(left) < len(calls) {
		t.wrote()
	}
	return left
}

// passed reads what batch_pass.sql returns.
func (t *turn) passed(rows pgx.Rows, calls []*call) error {
	for rows.Next() {
		raw := rows.RawValues()
		r := calls[number(raw[0])-1]
		r.outcome = driver.Released
		r.made = true
		if raw[2] != nil {
			lease, ticket := [16]byte(raw[2]), [16]byte(raw[3])
			t.untold = append(t.untold, grant{r.Name, &lease, &ticket, int64(number(raw[1]))})
		}
	}
	return rows.Err()
}

// granted reads what batch_grant.sql returns.
func (t *turn) granted(rows pgx.Rows, calls []*call) error {
	for rows.Next() {
		raw := rows.RawValues()
		r := calls[number(raw[0])-1]
		r.reply.Epoch = uint64(t.session.epoch)
		r.made = true
		if [16]byte(raw[3]) == r.Ticket {
			r.reply.Lock = driver.Lock{Name: r.Name, Fence: number(raw[1]), Holder: r.Place(), Since: instant(raw[4])}
			continue
		}
		row := lockRow{name: &r.Name}
		if err := rows.Scan(nil, &row.fence, &row.holder, &row.ticket, &row.since, &row.leases, &row.tickets); err != nil {
			return err
		}
		row.age = new(int64)
		r.reply.Lock, r.err = row.lock() // damage concerns this one only
	}
	return rows.Err()
}

// rest makes what is rarer: cancellations, and first locks of a name. Then it looks at
// what the rows say of the calls that are still left, and returns those that this leaves
// open.
func (t *turn) rest(ctx context.Context, calls []*call) (open []*call, err error) {
	if calls, err = t.cancel(ctx, calls); err != nil || len(calls) == 0 {
		return nil, err
	}
	view, damage, err := t.insert(ctx, calls)
	if refused(err) {
		t.each(ctx, calls)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	calls = t.left(calls)
	if damage != nil {
		t.each(ctx, calls)
		return nil, nil
	}
	rows := make(map[string]driver.Lock, len(view.Locks))
	for _, l := range view.Locks {
		rows[l.Name] = l
	}
	for _, r := range calls {
		if !t.conclude(ctx, r, rows[r.Name], view) {
			open = append(open, r)
		}
	}
	return open, nil
}

// insert makes the first locks of names, and reads the rows of all calls. Damage is an
// error that concerns one of the rows.
func (t *turn) insert(ctx context.Context, calls []*call) (view driver.View, damage, err error) {
	var all, acquisitions list
	for _, r := range calls {
		all.add(r)
		if !r.release {
			acquisitions.add(r)
		}
	}
	lease := [16]byte(calls[0].Lease)
	var batch pgx.Batch
	if len(acquisitions.calls) > 0 {
		batch.Queue(t.sql.batchInsert, acquisitions.names, acquisitions.tickets, lease, t.session.epoch, t.session.timeline).
			Query(func(rows pgx.Rows) error { return t.inserted(rows, acquisitions.calls) })
	}
	batch.Queue(t.sql.readNames, all.names).Query(func(rows pgx.Rows) error {
		view, damage = collect(rows)
		return nil
	})
	err = t.session.SendBatch(ctx, &batch).Close()
	return view, damage, err
}

// cancel takes those who wait out of the queues, and returns the calls left. It has a
// commit of its own: a transaction that has locked rows must not wait for others, as
// batch_insert.sql may.
func (t *turn) cancel(ctx context.Context, calls []*call) (left []*call, err error) {
	var releases list
	for _, r := range calls {
		if r.release {
			releases.add(r)
		}
	}
	if len(releases.calls) == 0 {
		return calls, nil
	}
	rows, err := t.session.Query(ctx, t.sql.batchCancel, releases.names, releases.tickets, [16]byte(calls[0].Lease))
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		r := releases.calls[number(rows.RawValues()[0])-1]
		r.outcome = driver.Cancelled
		r.made = true
	}
	if rows.Err() != nil {
		return nil, rows.Err()
	}
	return t.left(calls), nil
}

func (t *turn) inserted(rows pgx.Rows, calls []*call) error {
	byName := make(map[string]*call, len(calls))
	for _, r := range calls {
		byName[r.Name] = r
	}
	for rows.Next() {
		raw := rows.RawValues()
		r := byName[string(raw[0])]
		r.reply.Lock = driver.Lock{Name: r.Name, Fence: number(raw[1]), Holder: r.Place(), Since: instant(raw[2])}
		r.reply.Epoch = uint64(t.session.epoch)
		r.made = true
	}
	return rows.Err()
}

// conclude gives the call what the row says, and reports whether that settles it. The row
// was read after the statements that left the call out, so an attempt that it does not
// name has ended.
func (t *turn) conclude(ctx context.Context, r *call, row driver.Lock, view driver.View) bool {
	named := row.HeldBy(r.Place()) || row.Ahead(r.Place()) >= 0
	_, alive := view.Leases[r.Lease]
	switch {
	case r.release && !named:
		r.outcome = driver.Absent
	case r.release && (row.Mark != nil || !row.Plain()):
		t.each(ctx, []*call{r})
	case r.release:
		r.outcome = driver.Busy
	case named && !alive:
		r.err = driver.ErrLeaseGone
	case named, row.Held() && !r.wait && row.Plain():
		*r.reply = driver.Reply{Lock: row, Epoch: view.Epoch}
	case !row.Plain():
		t.each(ctx, []*call{r})
	case view.Epoch != uint64(t.session.epoch):
		t.session.epoch = 0
		return false
	default:
		return false
	}
	return true
}
