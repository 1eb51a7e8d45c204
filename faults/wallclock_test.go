package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
	"github.com/leaseholdgo/leasehold/postgres"
)

// ear is a listener that passes connections on to a server and keeps what clients
// say.
type ear struct {
	t      *testing.T
	listen net.Listener
	server string

	mu    sync.Mutex // guards the field below
	heard bytes.Buffer
}

func newEar(t *testing.T, server string) *ear {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{t: t, listen: listen, server: server}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listen.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { e.pass(client) })
		}
	})
	t.Cleanup(func() {
		_ = listen.Close()
		wg.Wait()
	})
	return e
}

func (e *ear) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", e.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer client.Close()
		_, _ = io.Copy(client, server)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		e.mu.Lock()
		e.heard.Write(buf[:n])
		e.mu.Unlock()
		if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (e *ear) said() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return bytes.Clone(e.heard.Bytes())
}

// near is how far a number may be from the time of day to be taken for it.
const near = time.Hour

// timesOfDay finds what looks like this machine's time of day in what was said to a
// PostgreSQL server: dates, decimal numbers, and numbers in the wire format, counted
// from 1970 or from 2000 in seconds or parts of them.
func timesOfDay(said []byte, now time.Time) (found []string) {
	for _, day := range []time.Time{now.Add(-24 * time.Hour), now, now.Add(24 * time.Hour)} {
		for _, layout := range []string{"2006-01-02", "20060102T", "02 Jan 2006"} {
			if text := day.UTC().Format(layout); bytes.Contains(said, []byte(text)) {
				found = append(found, text)
			}
		}
	}
	for _, digits := range regexp.MustCompile(`\d{9,19}`).FindAll(said, -1) {
		if n, err := strconv.ParseInt(string(digits), 10, 64); err == nil && isNow(n, now) {
			found = append(found, string(digits))
		}
	}
	for i := range len(said) - 7 {
		bits := binary.BigEndian.Uint64(said[i:])
		if n := int64(bits); isNow(n, now) {
			found = append(found, fmt.Sprintf("the integer %d", n))
		}
		if f := math.Float64frombits(bits); f > 1e8 && f < 1e19 && isNow(int64(f), now) {
			found = append(found, fmt.Sprintf("the number %f", f))
		}
	}
	return found
}

func isNow(n int64, now time.Time) bool {
	for _, epoch := range []time.Time{time.Unix(0, 0), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		elapsed := now.Sub(epoch)
		for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond, time.Nanosecond} {
			if far := n - int64(elapsed/unit); far > -int64(near/unit) && far < int64(near/unit) {
				return true
			}
		}
	}
	return false
}

// awayServer is a server whose clock is years ahead of ours, so that nothing it
// says can be taken for our time of day.
func awayServer(t *testing.T) (*ear, string) {
	t.Helper()
	s := pgserver.ForTest(t, pgserver.Config{Clock: true})
	if err := s.Step(10 * 365 * 24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	e := newEar(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port())))
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host = e.listen.Addr().String()
	return e, u.String()
}

func TestTimesOfDayAreFound(t *testing.T) {
	t.Parallel()
	e, url := awayServer(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if found := timesOfDay(e.said(), time.Now()); len(found) > 0 {
		t.Errorf("pgx itself says %q", found)
	}
	now := time.Now()
	for name, ask := range map[string]func() error{
		"a timestamp": func() error { return query(t, conn, `SELECT $1::timestamptz`, now) },
		"seconds":     func() error { return query(t, conn, `SELECT $1::bigint`, now.Unix()) },
		"nanoseconds": func() error { return query(t, conn, `SELECT $1::bigint`, now.UnixNano()) },
		"a double":    func() error { return query(t, conn, `SELECT $1::float8`, float64(now.UnixMicro())/1e6) },
		"text":        func() error { return query(t, conn, fmt.Sprintf(`SELECT 'at %d'`, now.UnixMilli())) },
		"a date":      func() error { return query(t, conn, fmt.Sprintf(`SELECT '%s'`, now.Format(time.RFC3339))) },
	} {
		before := len(e.said())
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		if found := timesOfDay(e.said()[before:], time.Now()); len(found) == 0 {
			t.Errorf("%s was not found", name)
		}
	}
}

func query(t *testing.T, conn *pgx.Conn, sql string, args ...any) error {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, args...)
	return err
}

// No statement carries the time of day of the client that sends it, whatever the
// client does; so no client's wall clock can matter to another.
func TestNoClientClockReachesTheServer(t *testing.T) {
	t.Parallel()
	e, url := awayServer(t)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	const ttl = time.Second
	open := func() *leasehold.Client {
		c, err := leasehold.Open(t.Context(), postgres.New(pool, postgres.Config{}), leasehold.Config{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	first, second := open(), open()
	lock := acquire(t, first, "a")
	if _, err := second.TryAcquire(t.Context(), "a"); !errors.Is(err, leasehold.ErrHeld) {
		t.Fatal(err)
	}
	waited := make(chan *leasehold.Lock, 1)
	go func() {
		l, err := second.Acquire(t.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		waited <- l
	}()
	renewed := lock.Deadline()
	for lock.Deadline().Before(renewed.Add(ttl)) { // over some renewals
		time.Sleep(10 * time.Millisecond)
	}
	guarded(t, pool, lock)
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := <-waited
	if err := first.Revoke(t.Context(), "a", next.Fence(), "test"); err != nil {
		t.Fatal(err)
	}
	<-next.Context().Done()
	acquire(t, first, "a")
	if err := errors.Join(second.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	if found := timesOfDay(e.said(), time.Now()); len(found) > 0 {
		t.Errorf("clients said %q", found)
	}
	if len(e.said()) < 10_000 {
		t.Errorf("only %d bytes were heard", len(e.said()))
	}
}

func acquire(t *testing.T, c *leasehold.Client, name string) *leasehold.Lock {
	t.Helper()
	l, err := c.Acquire(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func guarded(t *testing.T, pool *pgxpool.Pool, lock *leasehold.Lock) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return postgres.Guard(t.Context(), tx, lock) })
	if err != nil {
		t.Fatal(err)
	}
}
