package postgres

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
)

// beginners begin a transaction of each kind, and return how to end it.
func beginners(t *testing.T) map[string]func() (tx any, commit func()) {
	pool := testPool(t)
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { _ = db.Close() })
	return map[string]func() (any, func()){
		"pgx": func() (any, func()) {
			tx, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return tx, func() { _ = tx.Commit(context.Background()) }
		},
		"sql": func() (any, func()) {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return tx, func() { _ = tx.Commit() }
		},
	}
}

// A lock of a transaction excludes others, shared ones and session locks too, until the
// transaction ends.
func TestTxLock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client, namespace := s.Client(), TxNamespace(s.cfg.Namespace)
	for kind, begin := range beginners(t) {
		name := "a " + kind
		tx, commit := begin()
		if err := TxLock(t.Context(), tx, name, namespace); err != nil {
			t.Fatal(err)
		}
		if err := TxLock(t.Context(), tx, name, namespace); err != nil { // again
			t.Fatal(err)
		}
		s.Refused(client, name)
		s.Refused(client, name, leasehold.Shared())
		for other, beginOther := range beginners(t) {
			tx, commit := beginOther()
			for _, opts := range [][]TxOption{{namespace}, {namespace, TxShared()}} {
				if held, err := TryTxLock(t.Context(), tx, name, opts...); held || err != nil {
					t.Errorf("%s beside %s: held %v, %v", other, kind, held, err)
				}
			}
			commit()
		}
		got := s.Waits(client, name)
		commit()
		s.Release(s.Within(sessiontest.Prompt, "the session's lock", got))
	}
}

func TestTxLockShared(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client, namespace := s.Client(), TxNamespace(s.cfg.Namespace)
	begin := beginners(t)
	one, endOne := begin["pgx"]()
	two, endTwo := begin["sql"]()
	lock := s.Acquire(client, "a", leasehold.Shared())
	for _, tx := range []any{one, two} {
		if err := TxLock(t.Context(), tx, "a", TxShared(), namespace); err != nil {
			t.Fatal(err)
		}
	}
	if held, err := TryTxLock(t.Context(), one, "a", namespace); held || err != nil {
		t.Errorf("alone beside others who share: held %v, %v", held, err)
	}
	endOne()
	s.Release(lock)
	s.Refused(client, "a")
	endTwo()
	s.Release(s.Acquire(client, "a"))
}

// The end of the wait's context ends the wait, and nothing of it stays.
func TestTxLockWaitEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client, namespace := s.Client(), TxNamespace(s.cfg.Namespace)
	lock := s.Acquire(client, "a")
	for kind, begin := range beginners(t) {
		tx, commit := begin()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := TxLock(ctx, tx, "a", namespace)
		cancel()
		if err == nil || strings.Contains(err.Error(), "pg_advisory") {
			t.Errorf("%s: %v", kind, err)
		}
		commit()
	}
	s.Release(lock)
	other := s.Client()
	s.Release(s.Acquire(other, "a"))
}

func TestTxLockMisuse(t *testing.T) {
	t.Parallel()
	if err := TxLock(t.Context(), (*sql.DB)(nil), "a"); !errors.Is(err, leasehold.ErrUnsupported) {
		t.Errorf("not a transaction: %v", err)
	}
	var tx pgx.Tx
	if _, err := TryTxLock(t.Context(), tx, ""); !errors.Is(err, leasehold.ErrInvalid) {
		t.Errorf("no name: %v", err)
	}
}
