package pglock_test

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server plays a PostgreSQL with one table of locks, for tests in virtual time. It knows
// the statements that a client sends by a part of each, and runs one at a time.
type server struct {
	mu    sync.Mutex
	rows  map[string]*record
	drawn int64 // from the sequence
	count map[kind]int
}

// record is a row.
type record struct {
	rvn     int64 // 0: NULL
	owner   string
	data    []byte
	xmin    int64
	written time.Time
}

// kind is what a statement does.
type kind string

const (
	take kind = "INSERT INTO"
	beat kind = "SKIP LOCKED"
	free kind = "DELETE FROM"
	keep kind = "= NULL FROM"
	look kind = "xmin"
	draw kind = "generate_series"
)

func newServer() *server { return &server{rows: map[string]*record{}, count: map[kind]int{}} }

func (s *server) kindOf(statement string) kind {
	for _, k := range []kind{take, beat, free, keep, look, draw} {
		if strings.Contains(statement, string(k)) {
			return k
		}
	}
	panic("the server does not know: " + statement)
}

// run runs a statement. Each row of the answer has width columns.
func (s *server) run(k kind, args []sqldriver.NamedValue) (answer [][]sqldriver.Value, width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[k]++
	text := func(i int) string { return args[i].Value.(string) }
	switch k {
	case take:
		data, _ := args[2].Value.([]byte)
		return s.take(text(0), args[1].Value.(int64), data, text(3), args[4].Value.(bool), numbers(text(5))), 5
	case beat:
		names := s.change(text(1), text(2), func(r *record) { r.rvn = args[0].Value.(int64) })
		for _, name := range names {
			answer = append(answer, []sqldriver.Value{name, nil})
		}
		return append(answer, []sqldriver.Value{nil, s.next()}), 2
	case free:
		for _, name := range s.change(text(0), text(1), func(*record) {}) {
			delete(s.rows, name)
		}
		return nil, 0
	case keep:
		s.change(text(0), text(1), func(r *record) { r.rvn = 0 })
		return nil, 0
	case look:
		for _, name := range elements(text(0)) {
			if r := s.rows[name]; r != nil {
				answer = append(answer, []sqldriver.Value{name, r.value(), r.owner, r.xmin})
			}
		}
		return answer, 4
	default:
		for range args[0].Value.(int64) {
			answer = append(answer, []sqldriver.Value{s.next()})
		}
		return answer, 1
	}
}

func (r *record) value() sqldriver.Value {
	if r.rvn == 0 {
		return nil
	}
	return r.rvn
}

func (s *server) next() int64 {
	s.drawn++
	return s.drawn
}

// written notes that the row is written, by a transaction of its own.
func (s *server) written(r *record) { r.xmin, r.written = r.xmin+1, time.Now() }

func (s *server) take(name string, rvn int64, data []byte, owner string, replace bool, expected []int64) [][]sqldriver.Value {
	r := s.rows[name]
	switch {
	case r == nil:
		r = &record{data: data}
		s.rows[name] = r
	case r.rvn != 0 && !slices.Contains(expected, r.rvn):
		return [][]sqldriver.Value{{false, r.rvn, r.owner, nil, nil}}
	case replace:
		r.data = data
	}
	r.rvn, r.owner = rvn, owner
	s.written(r)
	return [][]sqldriver.Value{{true, rvn, owner, r.data, s.next()}}
}

// change changes the rows that bear what is expected of them, and returns their names.
func (s *server) change(names, rvns string, f func(*record)) (changed []string) {
	expected := elements(rvns)
	for i, name := range elements(names) {
		if r := s.rows[name]; r != nil && slices.Contains(numbers(expected[i]), r.rvn) {
			f(r)
			s.written(r)
			changed = append(changed, name)
		}
	}
	return changed
}

// delete deletes the row of a name.
func (s *server) delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, name)
}

// row returns a copy of the row, and whether there is one.
func (s *server) row(name string) (record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[name]; r != nil {
		return *r, true
	}
	return record{}, false
}

// statements returns how many have run, of the kinds given or of all.
func (s *server) statements(kinds ...kind) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, c := range s.count {
		if len(kinds) == 0 || slices.Contains(kinds, k) {
			n += c
		}
	}
	return n
}

// elements reads an array of texts that need no escapes, and numbers one of numbers.
func elements(array string) []string {
	if array == "{}" {
		return nil
	}
	return strings.Split(strings.Trim(array, `{"}`), `","`)
}

func numbers(array string) (values []int64) {
	for _, digits := range strings.FieldsFunc(array, func(r rune) bool { return strings.ContainsRune("{,}", r) }) {
		v, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			panic(err)
		}
		values = append(values, v)
	}
	return values
}

// route is the network between one client and the server.
type route struct {
	*server
	current atomic.Pointer[fate]
}

// fate says what happens to a statement: when it arrives, and when the reply does
// after that; an error comes in place of the reply, at once where the statement does
// not arrive. Negative: never.
type fate func(k kind) (there, back time.Duration, err error)

// newRoute returns a network with a fate of its own for each statement.
func newRoute(s *server, f fate) *route {
	r := &route{server: s}
	r.set(f)
	return r
}

func (r *route) set(f fate) { r.current.Store(&f) }

// pool returns a pool whose statements go by the route.
func (r *route) pool() *sql.DB {
	db := sql.OpenDB(r)
	db.SetMaxIdleConns(8)
	return db
}

// Connect implements the interface of a driver.
func (r *route) Connect(context.Context) (sqldriver.Conn, error) { return &conn{route: r}, nil }

// Driver implements the interface of a driver.
func (r *route) Driver() sqldriver.Driver { return nil }

type conn struct {
	*route
	broken bool
}

var errUnused = errors.New("not used")

// Prepare implements the interface of a driver.
func (c *conn) Prepare(string) (sqldriver.Stmt, error) { return nil, errUnused }

// Begin implements the interface of a driver.
func (c *conn) Begin() (sqldriver.Tx, error) { return nil, errUnused }

// Close implements the interface of a driver. What is on its way arrives.
func (c *conn) Close() error { return nil }

// IsValid implements the interface of a driver.
func (c *conn) IsValid() bool { return !c.broken }

// QueryContext implements the interface of a driver. When ctx ends it returns, and the
// statement is on its way still.
func (c *conn) QueryContext(ctx context.Context, statement string, args []sqldriver.NamedValue) (sqldriver.Rows, error) {
	k := c.kindOf(statement)
	there, back, failure := (*c.current.Load())(k)
	replies := make(chan *answer, 1)
	if there >= 0 {
		go func() {
			time.Sleep(there)
			rows, width := c.run(k, args)
			if time.Sleep(back); back >= 0 {
				replies <- &answer{rows, width}
			}
		}()
	} else if failure != nil {
		replies <- nil
	}
	select {
	case a := <-replies:
		if failure != nil {
			c.broken = true
			return nil, failure
		}
		return a, nil
	case <-ctx.Done():
		c.broken = true
		return nil, fmt.Errorf("the call was cancelled: %w", ctx.Err())
	}
}

// answer is the rows of a reply.
type answer struct {
	rows  [][]sqldriver.Value
	width int
}

// Columns implements the interface of a driver.
func (a *answer) Columns() []string { return make([]string, a.width) }

// Close implements the interface of a driver.
func (a *answer) Close() error { return nil }

// Next implements the interface of a driver.
func (a *answer) Next(dest []sqldriver.Value) error {
	if len(a.rows) == 0 {
		return io.EOF
	}
	copy(dest, a.rows[0])
	a.rows = a.rows[1:]
	return nil
}
