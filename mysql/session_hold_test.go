package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
)

func TestHazard31_SessionLocksOnThreeConnections(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := openDB(t, serverURL(t))
	sessiontest.Crowd(s.Site, s.ClientOf(NewSession(db, s.cfg), sessiontest.TTL), func() {
		if got := db.Stats().OpenConnections; got != 3 {
			t.Errorf("%d connections", got)
		}
	})
}

// The user's pool may be as exhausted as it likes.
func TestHazard32_SessionBesideTheUsersPool(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := openDB(t, serverURL(t))
	db.SetMaxOpenConns(minPool)
	const ttl = 300 * time.Millisecond
	c := s.ClientOf(NewSession(db, s.cfg), ttl)
	all, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	sessiontest.StaysHeld(s.Site, c, 4*ttl)
}

// No connection that anybody gets back has a lock.
func TestHazard33_NoLockIsLeftWithAConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := openDB(t, serverURL(t))
	c := s.ClientOf(NewSession(db, s.cfg), testTTL)
	s.Acquire(c, "left behind")
	if got := value[sql.NullInt64](t, db, "SELECT RELEASE_LOCK('"+SessionLockName(s.cfg.Namespace, "left behind")+"')"); got.Int64 != 0 {
		t.Error("a connection of the pool has the lock")
	}
	c.Close()
	if got := db.Stats().InUse; got != 0 {
		t.Errorf("%d connections are still in use", got)
	}
	s.Free("left behind")
}

func TestHazard34_CancelledWaitsDropNothing(t *testing.T) {
	t.Parallel()
	sessiontest.CancelledWaitsDropNothing(newSite(t).Site)
}

// sharing is a driver whose connections share those of the server: each statement goes to
// the next one.
type sharing struct {
	sqldriver.Connector
	size atomic.Int64 // how many
}

func (c *sharing) Connect(ctx context.Context) (sqldriver.Conn, error) {
	shared := &sharedConn{pool: c}
	for range 2 {
		conn, err := c.Connector.Connect(ctx)
		if err != nil {
			return nil, err
		}
		shared.conns = append(shared.conns, conn)
	}
	return shared, nil
}

type sharedConn struct {
	pool  *sharing
	conns []sqldriver.Conn
	turn  int64
}

func (c *sharedConn) next() sqldriver.Conn {
	c.turn++
	return c.conns[c.turn%c.pool.size.Load()]
}

func (c *sharedConn) Prepare(text string) (sqldriver.Stmt, error) { return c.next().Prepare(text) }
func (c *sharedConn) Begin() (sqldriver.Tx, error)                { return nil, errors.ErrUnsupported }

func (c *sharedConn) QueryContext(ctx context.Context, text string, args []sqldriver.NamedValue) (sqldriver.Rows, error) {
	return c.next().(sqldriver.QueryerContext).QueryContext(ctx, text, args)
}

func (c *sharedConn) Close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// A proxy that shares connections would leave session locks with those of somebody else's.
// It is found out before anything is locked, and refused; one that begins with it later ends
// the session.
func TestHazard35_SessionRefusesASharedConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	connector, err := mysql.NewConnector(settingsOf(t, serverURL(t)))
	if err != nil {
		t.Fatal(err)
	}
	pool := &sharing{Connector: connector}
	db := sql.OpenDB(pool)
	defer db.Close()
	pool.size.Store(2)
	_, err = leasehold.Open(t.Context(), NewSession(db, s.cfg), leasehold.Config{})
	if err == nil || !driver.IsPermanent(err) || !errors.Is(err, errPooler) || !strings.Contains(err.Error(), "lease store") {
		t.Fatalf("through the proxy: %v", err)
	}
	pool.size.Store(1)
	c := s.ClientOf(NewSession(db, s.cfg), time.Second)
	lock := s.Acquire(c, "a")
	pool.size.Store(2)
	<-lock.Context().Done()
	if cause := context.Cause(lock.Context()); !errors.Is(cause, errPooler) {
		t.Errorf("lost because of %v", cause)
	}
	_ = lock.Close() // it was lost
}

func TestHazard36_SessionGrantAndCancellationAtOnce(t *testing.T) {
	t.Parallel()
	sessiontest.GrantAndCancellationAtOnce(newSite(t).Site, 40*time.Millisecond)
}

// The server's name for a lock is what its documentation says, for names of every shape, and
// it is not one that the server takes for another's.
func TestHazard38_SessionNamesAreOfBytes(t *testing.T) {
	t.Parallel()
	db := openDB(t, serverURL(t))
	seen := map[string]string{}
	for _, name := range []string{"a", "A", "a ", " a", "caf\u00e9", "cafe\u0301", "x'y\"z", "\u65e5\u672c", strings.Repeat("x", 1024)} {
		key := SessionLockName("", name)
		want := value[string](t, db, "SELECT CONCAT('leasehold:', LEFT(SHA2(CONCAT("+bytesSQL(DefaultNamespace)+", '\\0', "+bytesSQL(name)+"), 256), 48))")
		if key != want || key != strings.ToLower(key) || len(key+waitSuffix) > 64 {
			t.Errorf("%q: %q, in SQL %q", name, key, want)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q are one", name, other)
		}
		seen[key] = name
		if SessionLockName("other", name) == key {
			t.Errorf("%q is one lock in two namespaces", name)
		}
	}
}

// Names share a lock of the server's only where 192 bits of their hashes are equal; and by
// no trick of where the namespace ends.
func TestHazard39_SessionNamesDoNotCollide(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, other := s.Client(), s.Client()
	lock := s.Acquire(c, "b/c")
	for _, twin := range []struct{ namespace, name string }{{s.cfg.Namespace, "b/C"}, {s.cfg.Namespace + "/b", "c"}, {s.cfg.Namespace + "b", "/c"}} {
		if SessionLockName(twin.namespace, twin.name) == SessionLockName(s.cfg.Namespace, "b/c") {
			t.Errorf("%q in %q is the same lock", twin.name, twin.namespace)
		}
	}
	s.Release(s.Acquire(other, "b/C"))
	s.Refused(other, "b/c")
	s.Release(lock)
}

func TestHazard17_ProcessesTakeTurns(t *testing.T) {
	t.Parallel()
	sessiontest.TakeTurns(newSite(t).Site)
}

// elsewhere is a driver whose servers say that they belong to a cluster.
type elsewhere struct {
	sqldriver.Connector
	variables string // a query that yields those of the cluster
}

func (c *elsewhere) Connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	return &elsewhereConn{conn, c.variables}, err
}

type elsewhereConn struct {
	sqldriver.Conn
	variables string
}

func (c *elsewhereConn) QueryContext(ctx context.Context, text string, args []sqldriver.NamedValue) (sqldriver.Rows, error) {
	if strings.Contains(text, "wsrep_on") {
		text = c.variables
	}
	return c.Conn.(sqldriver.QueryerContext).QueryContext(ctx, text, args)
}

// Named locks do not reach other nodes: a cluster with several writers is refused, unless
// the configuration says that one is used at a time.
func TestSessionRefusesACluster(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	connector, err := mysql.NewConnector(settingsOf(t, serverURL(t)))
	if err != nil {
		t.Fatal(err)
	}
	for what, variables := range map[string]string{
		"Galera":            "SELECT 'wsrep_on', 'ON' UNION ALL SELECT 'wsrep_provider', 'libgalera_smm.so'",
		"replication group": "SELECT 'group_replication_single_primary_mode', 'OFF'",
	} {
		db := sql.OpenDB(&elsewhere{connector, variables})
		defer db.Close()
		_, err := leasehold.Open(t.Context(), NewSession(db, s.cfg), leasehold.Config{})
		if err == nil || !driver.IsPermanent(err) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "SingleWriter") {
			t.Errorf("%s: %v", what, err)
		}
		cfg := s.cfg
		cfg.SingleWriter = true
		s.Release(s.Acquire(s.ClientOf(NewSession(db, cfg), testTTL), "a"))
	}
}
