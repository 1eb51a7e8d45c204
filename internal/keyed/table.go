package keyed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// ErrKeyInUse: another name that the process uses has the same key.
var ErrKeyInUse = errors.New("another name in use has the same lock key: choose another name or namespace")

// EndedError says that a lease ended because its session did. It matches
// driver.ErrLeaseGone and its Cause.
type EndedError struct{ Cause error }

func (e *EndedError) Error() string   { return fmt.Sprintf("the session ended: %v", e.Cause) }
func (e *EndedError) Unwrap() []error { return []error{driver.ErrLeaseGone, e.Cause} }

var errClosed = errors.New("store connection closed")

// Config says how a Table works.
type Config struct {
	// Key returns what the server knows a name by. Two names may have one key.
	Key func(name string) string
	// Show returns a key as people know it. Default: as it is.
	Show func(key string) string
	// Fences: they are drawn from the database. Otherwise grants are numbered in the
	// process only.
	Fences bool
	// NoShared: the server lets nobody share a key.
	NoShared bool
	// InFlight is how many batches a Session is given at a time. Default: 1.
	InFlight int
	// Dial returns a new Session for clients with the TTL, after it has made sure
	// that the server does nothing for the lost ones any more.
	Dial func(ctx context.Context, ttl time.Duration, lost []Session) (Session, error)
}

// Table is the locks of one process in one database, for any number of clients. It is
// safe for concurrent use.
type Table struct {
	cfg    Config
	signal chan struct{} // holds one request to look for work
	inbox  inbox

	mu      sync.Mutex // guards the fields below, and rows, calls, leases
	conns   int        // that are open; the session lives for them
	ctx     context.Context
	stop    context.CancelFunc
	ttl     time.Duration // the longest of any client or lease there was
	session Session       // nil: there is none
	dialing *dialing      // not nil: one is being made
	lost    []Session     // that the server may not know to have ended
	rows    map[string]*row
	keys    map[string]*row // the row that used the key last
	ops     []*op           // not yet sent
	flying  []*batch        // what is under way, in order
	failed  int             // how many of those have, and are not made good yet
	careful int             // how many of them to send one by one
	leases  map[driver.ID]*lease
	idle    time.Time           // since when there are no leases
	causes  map[driver.ID]error // of the leases that ended with the last session
	foreign map[*row]struct{}
	pollAt  time.Time // the first that is due
	tendAt  time.Time // when to look after the leases
	ears    map[*ear]struct{}
	count   uint64 // the last number of a grant, where no fences are drawn
	most    int    // rows to keep before those not in use are dropped

	finished []*call // to be told when mu is given back
	hints    []told  // the same

	wg sync.WaitGroup // everything that the Table started
}

// dialing is one attempt to make a session, shared by all who wait for it.
type dialing struct {
	done    chan struct{}
	session Session
	err     error
}

// New returns an empty Table without a session.
func New(cfg Config) *Table {
	if cfg.Show == nil {
		cfg.Show = func(key string) string { return key }
	}
	cfg.InFlight = max(cfg.InFlight, 1)
	t := &Table{cfg: cfg, signal: make(chan struct{}, 1), leases: map[driver.ID]*lease{}, ears: map[*ear]struct{}{}}
	t.clear()
	return t
}

// clear forgets all rows.
func (t *Table) clear() {
	t.rows, t.keys, t.foreign, t.ops = map[string]*row{}, map[string]*row{}, map[*row]struct{}{}, nil
	t.flying, t.failed, t.careful, t.most = nil, 0, 0, keptRows
}

// keptRows is how many rows are kept for their fences when nobody uses the names.
const keptRows = 4096

// Connect returns a Conn for a client with the TTL, after the first look at the server. Of
// returns it as one of a Table. It is a driver.Fenceless unless the Table has fences.
func (t *Table) Connect(ctx context.Context, ttl time.Duration) (driver.Conn, error) {
	t.mu.Lock()
	if t.conns++; t.conns == 1 {
		t.ctx, t.stop = context.WithCancel(context.Background())
		t.inbox.open()
		ctx := t.ctx
		t.wg.Go(func() { t.work(ctx) })
	}
	t.ttl = max(t.ttl, ttl)
	t.mu.Unlock()
	c := &Conn{table: t, closed: make(chan struct{})}
	if _, err := t.open(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	if !t.cfg.Fences {
		return fenceless{c}, nil
	}
	return c, nil
}

// disconnect notes the end of a Conn. With the last one the session ends.
func (t *Table) disconnect() {
	t.mu.Lock()
	t.conns--
	last := t.conns == 0
	s := t.session
	if last {
		t.stop()
		t.drop(ErrClosed)
		for _, c := range t.inbox.close() {
			c.err = errClosed
			t.complete(c)
		}
	}
	t.unlock()
	if last {
		if s != nil {
			s.Close()
		}
		t.wg.Wait()
	}
}

// unlock gives mu back, and tells those who are to be told of what was done under it.
func (t *Table) unlock() {
	finished, hints := t.finished, t.hints
	t.finished, t.hints = nil, nil
	t.mu.Unlock()
	for _, c := range finished {
		c.finish()
	}
	for _, h := range hints {
		h.ear.tell(h.hint)
	}
}

// complete notes that a call is over.
func (t *Table) complete(c *call) {
	if !c.told {
		c.told = true
		t.finished = append(t.finished, c)
	}
}

// open returns the session, made if need be.
func (t *Table) open(ctx context.Context) (Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	s, d := t.session, t.dialing
	switch {
	case t.conns == 0:
		t.mu.Unlock()
		return nil, errClosed
	case s == nil && d == nil:
		d = &dialing{done: make(chan struct{})}
		t.dialing = d
		ctx, ttl, lost := t.ctx, t.ttl, t.lost
		t.wg.Go(func() { t.dial(ctx, d, ttl, lost) })
	}
	t.mu.Unlock()
	if s != nil {
		return s, nil
	}
	select {
	case <-d.done:
		return d.session, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dial makes one attempt to make a session.
func (t *Table) dial(ctx context.Context, d *dialing, ttl time.Duration, lost []Session) {
	s, err := t.cfg.Dial(ctx, ttl, lost)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(d.done)
	t.dialing = nil
	if err == nil && ctx.Err() != nil {
		t.wg.Go(s.Close)
		err = errClosed
	}
	if err != nil {
		d.err = err
		return
	}
	d.session, t.session = s, s
	t.lost = t.lost[len(lost):]
	t.idle = clock.Now()
	t.poke() // so that its end is noticed
}

// lose is called when the session has ended. It does not wait for the session's goroutines:
// those whose locks it held are to know now.
func (t *Table) lose(s Session) {
	t.wg.Go(s.Close)
	cause := s.Cause()
	t.mu.Lock()
	defer t.unlock()
	if !errors.Is(cause, ErrClosed) { // the server may not know
		t.lost = append(t.lost, s)
	}
	if t.session == s {
		t.drop(cause)
	}
}

// drop gives the session up, and with it all that was held or awaited in it. t.mu is held.
func (t *Table) drop(cause error) {
	t.session = nil
	t.causes = map[driver.ID]error{}
	for id, l := range t.leases {
		t.causes[id] = &EndedError{Cause: cause}
		t.endLocked(id, t.causes[id], l)
	}
	rows := t.rows
	t.clear()
	for _, r := range rows {
		for _, c := range r.calls {
			if !c.committed && c.err == nil {
				c.err = cause
			}
			t.complete(c)
		}
	}
	for e := range t.ears {
		t.hints = append(t.hints, told{e, driver.Hint{}})
	}
}

// enter makes the call after those that came before for the same name. t.mu is held.
func (t *Table) enter(c *call) {
	r := t.rows[c.attempt.Name]
	if r == nil {
		if c.kind != acquire {
			if c.kind == revoke {
				c.err = driver.ErrNotHeld
			}
			t.complete(c)
			return
		}
		r = t.newRow(c.attempt.Name)
	}
	r.calls = append(r.calls, c)
	if r.op == nil && len(r.calls) == 1 {
		t.advance(r)
	}
}

func (t *Table) newRow(name string) *row {
	if len(t.rows) >= t.most {
		t.sweep()
	}
	key := t.cfg.Key(name)
	r := &row{key: key, foreign: foreigner(key)}
	r.lock.Name = name
	t.rows[name] = r
	return r
}

// sweep drops the rows that nobody uses. What they knew was the last fence, and the
// next one drawn for the name is larger.
func (t *Table) sweep() {
	for name, r := range t.rows {
		if !r.busy() {
			delete(t.rows, name)
			if t.keys[r.key] == r {
				delete(t.keys, r.key)
			}
		}
	}
	t.most = keptRows + 2*len(t.rows)
}
