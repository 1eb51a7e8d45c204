package postgres

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// Both directions of every connection hang, on a driver that waits for ever: each call
// returns when its context ends, and when the network is back they work again.
func TestHazard01_BlackHoleOfLentConnections(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, server string, store func(testing.TB, string, string) *Store) {
		p, url := newProxyTo(t, server)
		c := newClient(t, store(t, url, testSchema(t)))
		ctx := t.Context()
		hold := c.hold("a")
		if _, err := c.RenewLease(ctx, c.lease.ID); err != nil {
			t.Fatal(err)
		}
		p.shut()
		for name, call := range map[string]func(context.Context) error{
			"RenewLease": func(ctx context.Context) error { _, err := c.RenewLease(ctx, c.lease.ID); return err },
			"Acquire":    func(ctx context.Context) error { _, err := c.Acquire(ctx, c.attempt("b"), true); return err },
			"Release":    func(ctx context.Context) error { _, err := c.Release(ctx, hold.Attempt); return err },
			"Listen":     func(ctx context.Context) error { return c.Listen(ctx, c.lease.ID, func(driver.Hint) {}) },
		} {
			for range 2 {
				err := within(t, name, call)
				if !errors.Is(err, context.DeadlineExceeded) || driver.IsPermanent(err) {
					t.Errorf("%s in a black hole: %v", name, err)
				}
			}
		}
		p.unshut()
		await(t, "renewal after the outage", func() bool { _, err := c.RenewLease(ctx, c.lease.ID); return err == nil })
		c.release(hold.Attempt) // unless one of those above has done it when the network came back
		if row := c.row("a"); row.Held() {
			t.Errorf("after the release: %+v", row)
		}
	})
}

// The trust deadline holds, whatever the driver does in a network that hangs.
func TestHazard01_TrustEndsInABlackHoleOfLentConnections(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, server string, store func(testing.TB, string, string) *Store) {
		const ttl = time.Second
		p, url := newProxyTo(t, server)
		lock := acquireLock(t, openClient(t, store(t, url, testSchema(t)), leasehold.Config{TTL: ttl}), "a")
		p.shut()
		shut := time.Now()
		<-lock.Context().Done()
		if took := time.Since(shut); took > 5*ttl {
			t.Errorf("the context ended %v after the network was cut, of a TTL of %v", took, ttl)
		}
		if cause := context.Cause(lock.Context()); !errors.Is(cause, leasehold.ErrExpired) {
			t.Error(cause)
		}
	})
}

// An acquire is held up on its way, in front of the pooler or behind it, and its caller
// gives up. Once a Release of the attempt has returned nil, the statement may arrive, and
// the pooler may run it: it has no effect.
func TestHazard09_DelayedStatementHasNoSeat(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"in front of", "behind"} {
		for name, store := range map[string]func(testing.TB, string, string) *Store{"pgx": storeOfPgx, "lib/pq": storeOfPQ} {
			t.Run(place+" a pooler, "+name, func(t *testing.T) {
				t.Parallel()
				schema := testSchema(t)
				url, server := "", serverURL(t)
				var p *proxy
				if place == "behind" {
					p, server = newProxyTo(t, server)
				}
				url = pgbouncer.ForTest(t, pgbouncer.Config{Server: server, Mode: pgbouncer.Transaction}).URL()
				if place != "behind" {
					p, url = newProxyTo(t, url)
				}
				delay(t, p, newClient(t, store(t, url, schema)))
			})
		}
	}
}

// The seat of a lost session is taken away; one that is given back goes at once; one that
// was left behind is swept by whoever comes a day later.
func TestSeatsDoNotPileUp(t *testing.T) {
	t.Parallel()
	admin, schema := testPool(t), testSchema(t)
	store := storeOfPQ(t, serverURL(t), schema)
	seats := func() int64 {
		return value[int64](t, admin, `SELECT count(*) FROM `+schema+`.lease WHERE ttl_ms = 1`)
	}
	c := newClient(t, store)
	for range 3 {
		c.hold(driver.NewID().String())
		_ = c.on(t.Context(), c.command, func(_ context.Context, s *session, _ *statements) error {
			s.discard()
			return errMoved
		})
	}
	c.hold("a")
	if n := seats(); n != 1 {
		t.Errorf("%d seats of one client", n)
	}
	_ = c.Close()
	if n := seats(); n != 0 {
		t.Errorf("%d seats of no client", n)
	}
	execSQL(t, admin, `INSERT INTO `+schema+`.lease VALUES (gen_random_uuid(), 1, 0, 1, '', '', 0, 'seat', now() - interval '25 hours', true)`)
	newClient(t, store)
	if n := seats(); n != 1 {
		t.Errorf("%d seats: an old one was not swept", n)
	}
}

// A seat that somebody has taken away costs the session, and nothing else.
func TestSeatTakenAway(t *testing.T) {
	t.Parallel()
	schema := testSchema(t)
	c := newClient(t, storeOfPQ(t, serverURL(t), schema))
	execSQL(t, testPool(t), `DELETE FROM `+schema+`.lease WHERE ttl_ms = 1`)
	if _, err := c.Acquire(t.Context(), c.attempt("a"), true); !errors.Is(err, errMoved) || driver.IsPermanent(err) {
		t.Errorf("without a seat: %v", err)
	}
	c.hold("a")
}

// Nothing of ours is left with the pooler's connections, which others get next; and what
// others have set there is not in force in ours.
func TestHazard35_NothingIsLeftBehindAPooler(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(testing.TB, string, string) *Store{"pgx": storeOfPgx, "lib/pq": storeOfPQ} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := throughPooler(t, 1)
			other := poolAt(t, url+"&default_query_exec_mode=exec")
			const settings = `SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE source = 'session'`
			for _, sql := range []string{
				`SET statement_timeout = 60001`, `SET synchronous_commit = off`, `SET default_transaction_isolation = serializable`,
				`SET search_path = nowhere`, `SET bytea_output = escape`, `SET standard_conforming_strings = off`,
			} {
				execSQL(t, other, sql)
			}
			before := value[*string](t, other, settings)
			c := newClient(t, store(t, url, testSchema(t)))
			if c.command.session.lent == nil {
				t.Fatal("the pooler was not noticed")
			}
			hold := c.hold(`a\' b`)
			if err := c.SetData(t.Context(), hold.Attempt, []byte("\x00\\'"), false); err != nil {
				t.Error(err)
			}
			if row := c.row(`a\' b`); string(row.Data) != "\x00\\'" {
				t.Errorf("data %q", row.Data)
			}
			for setting, want := range map[string]string{
				"synchronous_commit": "on", "transaction_isolation": "read committed", "TimeZone": "UTC",
				"statement_timeout": "7500ms", "lock_timeout": "50ms", "search_path": "pg_catalog",
			} {
				if got := show(t, c.conn, c.command, setting); got != want {
					t.Errorf("%s = %s, want %s", setting, got, want)
				}
			}
			c.release(hold.Attempt)
			if len(c.unflushed.list) != 0 {
				t.Error("a release does not wait for the disk, and nothing would tell of a crash")
			}
			if after := value[*string](t, other, settings); *after != *before {
				t.Errorf("settings of others:\n%s\nbefore:\n%s", *after, *before)
			}
			if n := value[int64](t, other, `SELECT count(*) FROM pg_prepared_statements`); n != 0 {
				t.Errorf("%d statements are prepared", n)
			}
		})
	}
}

// A pooler that lends for one statement is refused.
func TestHazard35_PoolerForStatements(t *testing.T) {
	t.Parallel()
	url := pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: pgbouncer.Statement}).URL()
	wantPermanent(t, connect(t, storeOfPgx(t, url, testSchema(t)), testTTL), "no transactions", "pool_mode")
	examine(t, storeOfPgx(t, url, testSchema(t))).want(t, "pooler", driver.LevelProblem, "statement")
}

// The server behind a pooler is another one from one statement to the next, while the
// connection to the pooler lasts: nothing is granted until every trust from before is over.
func TestHazard43_FailoverBehindAPooler(t *testing.T) {
	t.Parallel()
	const ttl = time.Second
	primary := pgserver.ForTest(t, pgserver.Config{})
	standby, err := primary.Standby(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Close() })
	p, behind := newProxyTo(t, primary.URL())
	pooler := pgbouncer.ForTest(t, pgbouncer.Config{Server: behind, Mode: pgbouncer.Transaction, Settings: map[string]string{"server_login_retry": "0"}})
	store := storeOfPQ(t, pooler.URL(), "leasehold")
	if err := errors.Join(store.Migrate(t.Context()), store.SetMaxTTL(t.Context(), ttl)); err != nil {
		t.Fatal(err)
	}
	dc, err := store.Connect(t.Context(), driver.Settings{TTL: ttl, Tolerance: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dc.Close() })
	c := asClient(t, dc.(*conn))
	c.release(c.hold("a").Attempt) // so that the short statement is tried next
	session := c.command.session
	await(t, "the standby has everything", func() bool {
		behind, err := primary.Query(t.Context(), `select count(*) from pg_stat_replication where replay_lsn < pg_current_wal_lsn()`)
		return err == nil && behind == "0"
	})
	if err := errors.Join(primary.Kill(), standby.Promote(t.Context())); err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(standby.URL())
	if err != nil {
		t.Fatal(err)
	}
	p.towards(to.Host)
	p.cut()
	seen := time.Now()
	await(t, "the pause in granting is noticed", func() bool {
		reply, err := c.Acquire(t.Context(), c.attempt("a"), false)
		if err == nil && reply.Lock.Held() {
			t.Fatal("granted at once on another server")
		}
		return paused(err)
	})
	if c.command.session == session {
		t.Error("the session outlived its server")
	}
	await(t, "a grant after the pause", func() bool {
		reply, err := c.Acquire(t.Context(), c.attempt("b"), false)
		return err == nil && reply.Lock.Held()
	})
	if took := time.Since(seen); took < ttl {
		t.Errorf("granted %v after the failover, though trust may last %v", took, ttl)
	}
}

// A statement of several that finds no row has a result all the same, and does not get that
// of the next one.
func TestLentStatementsThatFindNothing(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, server string, store func(testing.TB, string, string) *Store) {
		c := newClient(t, store(t, server, testSchema(t)))
		var batch pgx.Batch
		var nothing, one int
		batch.Queue(`SELECT 1 WHERE false`).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				nothing++
			}
			return rows.Err()
		})
		batch.Queue(`SELECT 1`).QueryRow(func(row pgx.Row) error { return row.Scan(&one) })
		err := c.on(t.Context(), c.command, func(ctx context.Context, s *session, _ *statements) error {
			return s.SendBatch(ctx, &batch).Close()
		})
		if err != nil || nothing != 0 || one != 1 {
			t.Errorf("%d rows, then %d: %v", nothing, one, err)
		}
	})
}
