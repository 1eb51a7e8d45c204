package table

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Config says whose locks are kept where. All fields but Heartbeat are required.
type Config struct {
	DB    *sql.DB
	Table string // validated: it becomes part of statements
	Owner string
	// Lease is how long an RVN is seen unchanged before its row is taken over.
	Lease time.Duration
	// Heartbeat is how often a row that is held gets a new RVN, where that is much more
	// often than three times in a lease.
	Heartbeat time.Duration
}

// Table is a store of package leasehold, for one client, and that client's access to it.
// It is safe for concurrent use.
type Table struct {
	cfg        Config
	db         *sql.DB
	sql        statements
	lanes      chan struct{}
	stuck      atomic.Int64 // calls of the driver in progress
	poolClosed atomic.Bool  // by its owner: no lock can be kept any longer

	turn chan struct{} // holds one: whose renewal is sent
	poke chan struct{} // holds one: there may be something to poll for

	wg   sync.WaitGroup  // goroutines that the Table started
	life context.Context // ends with Close
	end  context.CancelFunc

	mu     sync.Mutex // guards the fields below, and those of rows and leases
	rows   map[string]*row
	leases map[driver.ID]*lease
	others map[driver.ID]*row // stand-ins of foreign holders
	wishes map[string]Wish
	stamps []int64
	ghosts []ghost
	beaten time.Time // when the last renewal of all rows was sent
}

var (
	_ driver.Store     = (*Table)(nil)
	_ driver.Conn      = (*Table)(nil)
	_ driver.Listener  = (*Table)(nil)
	_ driver.Fenceless = (*Table)(nil)
)

// New returns a Table. No I/O.
func New(cfg Config) *Table {
	t := &Table{
		cfg: cfg, db: cfg.DB, sql: statementsOn(cfg.Table),
		lanes: make(chan struct{}, lanes), turn: make(chan struct{}, 1), poke: make(chan struct{}, 1),
		rows: map[string]*row{}, leases: map[driver.ID]*lease{}, others: map[driver.ID]*row{}, wishes: map[string]Wish{},
	}
	t.life, t.end = context.WithCancel(context.Background())
	return t
}

// Connect implements driver.Store. No I/O: whether the table is there shows when it is
// first used.
func (t *Table) Connect(context.Context, driver.Settings) (driver.Conn, error) { return t, nil }

// Close implements driver.Conn. What is left in the table by statements whose outcome is
// unknown is not looked for any longer. The pool is the caller's.
func (t *Table) Close() error {
	t.end()
	t.wg.Wait()
	return nil
}

// Fenceless implements driver.Fenceless: there is nowhere to keep a fence.
func (t *Table) Fenceless() {}

// Revoke implements driver.Conn: old clients could not be told.
func (t *Table) Revoke(context.Context, string, uint64, driver.Mark) error {
	return driver.Permanent(driver.ErrUnsupported)
}

// epoch is the only one: the table does not tell one incarnation from another.
const epoch = 1

// Wish says what a row is to have when it is taken.
type Wish struct {
	Data    []byte
	Replace bool // data that the row already has is replaced
	Keep    bool // the row outlives the release
	// Patience is how long failures that may pass are ridden out; 0: as long as the
	// engine likes.
	Patience time.Duration

	failing time.Time // since when the statements for it have failed
}

// Want sets what the row of name is to have when this client takes it next. The caller
// sees to it that only one acquisition of a name is made at a time.
func (t *Table) Want(name string, w Wish) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wishes[name] = w
}

// Unwant is the end of the acquisition for which Want was called.
func (t *Table) Unwant(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.wishes, name)
}

// Held returns the RVN and the data of the row that the attempt holds. It reports false
// if it does not hold it.
func (t *Table) Held(a driver.Attempt) (rvn int64, data []byte, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[a.Name]
	if r == nil || r.lock.Holder != a.Place() {
		return 0, nil, false
	}
	return r.rvn, r.data, true
}
