package advisory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

var (
	errStuck  = errors.New("the server has not answered for a whole TTL")
	errPooled = errors.New("another server process answered: a pooler in transaction mode is in between")
)

// Backend names one server process, in the server's own words: by pid, which may be in
// use again, by start, and by the role that logged in (its oid).
type Backend struct {
	PID, Started, Role string
	Identity           int64 // of a lock that the session took with IdentitySQL
}

// Session is one connection on which the statements of this package are prepared. A
// goroutine reads from it all the time, so its end is seen at once. Statements are sent
// without awaiting the replies to those before. It is safe for concurrent use.
type Session struct {
	Backend
	pid      int32
	identity int64    // of a lock that no other session has
	conn     net.Conn // what is written to
	raw      net.Conn // below TLS; closing it says nothing to the server
	frontend *pgproto3.Frontend
	dialled  time.Time // of package clock
	ended    chan struct{}
	wg       sync.WaitGroup

	writing sync.Mutex // held while a flight is written: replies come in the same order

	mu       sync.Mutex // guards the fields below
	patience time.Duration
	flights  []*flight // in the order of their replies
	cause    error     // why the session ended; nil while it lasts
}

// unit is one statement with its reply. It commits by itself.
type unit struct {
	statement string
	params    [][]byte
	row       func(values [][]byte) // called for each row, by the reader
	err       error                 // the server's
}

// flight is some units that are sent together.
type flight struct {
	units []*unit
	sent  time.Time // of package clock
	next  int       // the unit whose reply is being read; the reader's own
	// over is called once, when all replies have come (ok), by the goroutine that reads
	// them, or when the session has ended before. It must not wait for another flight.
	over func(ok bool)
}

// NewSession takes the connection over from conn, on which Prepare was called; raw is the
// connection below TLS. A statement that stays unanswered for longer than patience ends
// the session. The caller closes it.
func NewSession(ctx context.Context, conn *pgconn.PgConn, raw net.Conn, backend Backend, patience time.Duration) (*Session, error) {
	if err := conn.SyncConn(ctx); err != nil {
		return nil, err
	}
	h, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	var pid int32
	if _, err := fmt.Sscan(backend.PID, &pid); err != nil {
		return nil, fmt.Errorf("the server's process id: %w", err)
	}
	s := &Session{
		Backend: backend, pid: pid, identity: backend.Identity, conn: h.Conn, raw: raw, frontend: h.Frontend,
		dialled: clock.Now(), ended: make(chan struct{}), patience: patience,
	}
	_ = h.Conn.SetDeadline(time.Time{})
	s.wg.Go(s.read)
	s.wg.Go(s.watch)
	return s, nil
}

// Ended implements keyed.Session.
func (s *Session) Ended() <-chan struct{} { return s.ended }

// Cause implements keyed.Session.
func (s *Session) Cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Close implements keyed.Session.
func (s *Session) Close() {
	if s.Cause() == nil && s.writing.TryLock() {
		_ = s.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		s.frontend.Send(&pgproto3.Terminate{})
		_ = s.frontend.Flush()
		s.writing.Unlock()
	}
	s.Fail(keyed.ErrClosed)
	s.wg.Wait()
}

// exchange sends units and waits for their replies. The units belong to the session
// if it returns an error: that of ctx, or why the session has ended.
func (s *Session) exchange(ctx context.Context, units ...*unit) error {
	came := make(chan bool, 1)
	s.send(&flight{units: units, over: func(ok bool) { came <- ok }})
	select {
	case ok := <-came:
		if !ok {
			return s.Cause()
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send writes a flight. If the session has ended, the flight is over at once.
func (s *Session) send(f *flight) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.board(f) {
		f.over(false)
		return
	}
	for _, u := range f.units {
		s.frontend.SendBind(&pgproto3.Bind{
			PreparedStatement: u.statement, Parameters: u.params,
			ParameterFormatCodes: binaryFormat, ResultFormatCodes: binaryFormat,
		})
		s.frontend.SendExecute(&pgproto3.Execute{})
		s.frontend.SendSync(&pgproto3.Sync{})
	}
	if err := s.frontend.Flush(); err != nil {
		s.Fail(err)
	}
}

var binaryFormat = []int16{pgproto3.BinaryFormat}

// board notes that the replies to f come next.
func (s *Session) board(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return false
	}
	f.sent = clock.Now()
	s.flights = append(s.flights, f)
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.patience))
	return true
}

// read reads replies until the session ends.
func (s *Session) read() {
	for {
		message, err := s.frontend.Receive()
		if err != nil {
			s.Fail(fmt.Errorf("the connection was lost: %w", err))
			return
		}
		if !s.receive(message) {
			return
		}
	}
}

// receive deals with one message. It reports false if the session has ended.
func (s *Session) receive(message pgproto3.BackendMessage) bool {
	switch m := message.(type) {
	case *pgproto3.ErrorResponse:
		err := pgconn.ErrorResponseToPgError(m)
		if m.SeverityUnlocalized == "FATAL" || m.SeverityUnlocalized == "PANIC" {
			s.Fail(fmt.Errorf("the server ended the session: %w", err))
			return false
		}
		if f := s.first(); f != nil {
			f.units[f.next].err = err
		}
	case *pgproto3.DataRow:
		if f := s.first(); f != nil {
			f.units[f.next].row(m.Values)
		}
	case *pgproto3.ReadyForQuery:
		s.arrived()
	}
	return true
}

// first returns the flight whose replies are being read.
func (s *Session) first() *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flights) == 0 {
		return nil
	}
	return s.flights[0]
}

// arrived notes the end of the reply to one unit.
func (s *Session) arrived() {
	if f := s.landed(); f != nil {
		f.over(true)
	}
}

// landed returns the first flight, and takes it out, if its last reply has come now.
func (s *Session) landed() *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flights) == 0 {
		return nil
	}
	f := s.flights[0]
	if f.next++; f.next < len(f.units) {
		return nil
	}
	s.flights[0] = nil
	s.flights = s.flights[1:]
	return f
}

// Fail implements keyed.Session.
func (s *Session) Fail(cause error) {
	s.mu.Lock()
	if s.cause != nil {
		s.mu.Unlock()
		return
	}
	s.cause = cause
	stranded := s.flights
	s.flights = nil
	s.mu.Unlock()
	_ = s.raw.Close()
	close(s.ended)
	for _, f := range stranded {
		f.over(false)
	}
}

// watch ends the session when the server does not answer.
func (s *Session) watch() {
	for {
		timer := time.NewTimer(clock.Sooner(s.left()))
		select {
		case <-timer.C:
			if s.left() <= 0 {
				s.Fail(errStuck)
				return
			}
		case <-s.ended:
			timer.Stop()
			return
		}
	}
}

// left returns how long the session still waits for the first reply.
func (s *Session) left() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flights) == 0 {
		return max(s.patience/8, 10*time.Millisecond)
	}
	return s.patience - clock.Since(s.flights[0].sent)
}

// raise makes the session at least as patient as given. It reports whether it was not.
func (s *Session) raise(patience time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	raised := patience > s.patience
	s.patience = max(s.patience, patience)
	return raised
}
