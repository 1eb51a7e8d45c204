package distrlock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"
)

var ownUUID = regexp.MustCompile(`^1ea5e401-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestTokensAreMarkedUUIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token := newToken()
		if !ownUUID.MatchString(token) || seen[token] {
			t.Fatalf("%q, or it was drawn before", token)
		}
		seen[token] = true
	}
}

// stuck is a database whose calls return when it is told to, whatever their contexts do.
type stuck struct {
	rows    int64
	release chan struct{}
}

func (s *stuck) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	<-s.release
	return s, nil
}

func (s *stuck) LastInsertId() (int64, error) { return 0, errors.ErrUnsupported }
func (s *stuck) RowsAffected() (int64, error) { return s.rows, nil }

// A call on a pool returns with its context; its reply is not lost.
func TestACallReturnsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := &stuck{rows: 1, release: make(chan struct{})}
		late := make(chan reply, 1)
		start := time.Now()
		n, err := bound(ctx, new(sql.DB), func() reply { return send(ctx, s, postgresStatements("t").release, call{}) },
			func(r reply) { late <- r })
		if n != 0 || err != context.DeadlineExceeded || time.Since(start) != time.Second {
			t.Errorf("%d, %v after %v", n, err, time.Since(start))
		}
		close(s.release)
		if r := <-late; r.n != 1 || r.err != nil {
			t.Errorf("the late reply: %+v", r)
		}
	})
}

func TestALeaseIsNeverShorterThanAsked(t *testing.T) {
	t.Parallel()
	for _, do := range []*statements{postgresStatements("t"), mysqlStatements("t")} {
		l := DBLock{Key: "k", do: do}
		for _, ttl := range []time.Duration{1, time.Microsecond + 1, time.Second + 1, 1<<63 - 1} {
			c, err := l.call("t", ttl)
			if rest := ttl - time.Duration(c.ttl-1)*time.Duration(do.unit); err != nil || rest <= 0 || rest > time.Duration(do.unit) {
				t.Errorf("a TTL of %d ns is %d units of %d ns: %v", ttl, c.ttl, do.unit, err)
			}
		}
	}
}

type coded struct{ error }

func (coded) SQLState() string { return "40001" }

func TestAnswersOfTheServerAreKnown(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		fmt.Errorf("wrapped: %w", coded{errors.New("x")}): true,
		errors.New("connection reset"):                    false,
		context.DeadlineExceeded:                          false,
	} {
		if answered(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
