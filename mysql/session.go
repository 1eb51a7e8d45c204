package mysql

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// SessionStore holds locks through a database session: through named locks of the server
// (GET_LOCK), which it frees the moment the session's connection ends. It is safe for
// concurrent use and serves any number of clients, all through three connections.
//
// # What it does not promise
//
// The server frees the locks before their holder can know. So between the end of a session
// and the moment at which the holder's context has ended another client may hold the lock
// too. That moment is at once where the end reaches us (a second connection waits for it),
// and the trust deadline where nothing does: at most the client's TTL later. What must be
// exact in between is guarded ([Guard]): then it is, in this database; or compares fences. The server, in
// turn, notices a client that has vanished, its host or the network, after twice the TTL (at
// least 10 s), later than the client stops believing.
//
// Named locks belong to one server. They do not reach other nodes of a Galera cluster or of
// a replication group, nor a replica that is promoted: Connect refuses a node of a cluster
// with several writers, unless SessionConfig.SingleWriter says that all clients use one node
// at a time. Across a failover two clients may hold one lock until the first notices that its
// session has ended.
//
// Order: first come, first served among all clients of one SessionStore. Between processes
// there is none. Who waits for a lock that another session holds asks again, after a quarter
// of the time that it has waited for, at most every 50 ms; all the names that a process
// waits for are asked for in one statement. A process that passes a lock among its
// goroutines, or takes it again and again, lets another process that waits have it after
// 100 ms.
//
// Shared locks are ErrUnsupported: a named lock has one holder. Readers could be made of
// several locks each, of which a writer takes all: that bounds how many may read, and makes
// every writer pay for it. Use the lease store for them. Permits, minimum holds, data and fixed
// TTLs are ErrUnsupported, too. Revoke works on locks of the same SessionStore
// only: others are revoked by ending their session (KILL), whose number their HeldError
// names.
//
// # What it does
//
// Nothing is written but one row, for the fences, and one for each name that is guarded; with SessionConfig.NoFence nothing at all. A
// renewal asks the server whether the session is there. Everything that is asked for while a
// statement is in flight makes one statement; fences cost a second one, which commits.
//
// It needs connections of its own, direct or through a proxy that gives each client one
// server connection for as long as it lasts: where it sees another, it refuses to work.
type SessionStore struct {
	store *Store
	cfg   SessionConfig
	table *keyed.Table
}

// SessionConfig says how a SessionStore works. The zero SessionConfig is ready for use.
type SessionConfig struct {
	// Namespace keeps apart applications that use the same names: it is hashed with every
	// name into the name that the server knows (see SessionLockName). Named locks are those
	// of the whole server, not of one database. Any text. Default "leasehold".
	Namespace string

	// NoFence does without tables, and so without fences and guards: Lock.Fence is 0, and
	// what needs one is ErrUnsupported.
	NoFence bool

	// Database that holds the tables of fences and guards, and Prefix of their names: as in Config.
	Database string
	Prefix   string

	// ManualSchema keeps Connect from making the tables: it reports an error where they are
	// missing. Use it with SessionMigrationSQL, run by a user who may.
	ManualSchema bool

	// SingleWriter says that all clients use one node of a cluster at a time.
	SingleWriter bool
}

// DefaultNamespace is the namespace of a zero SessionConfig.
const DefaultNamespace = "leasehold"

var _ driver.Store = (*SessionStore)(nil)

// NewSession returns a SessionStore for the server that db connects to with the driver
// github.com/go-sql-driver/mysql. It keeps up to three connections of db for itself, changes
// their settings, and closes them when its last client is closed; nothing of db itself is
// changed, and db is not closed. A db that may open fewer than four is refused. It does no
// I/O; a bad cfg is an error of Connect, and so of leasehold.Open.
func NewSession(db *sql.DB, cfg SessionConfig) *SessionStore {
	return newSessionStore(New(db, cfg.tables()), cfg)
}

// OpenSession returns a SessionStore for the server at source, as Open does. It dials at
// most three connections, for all its clients together.
func OpenSession(source string, cfg SessionConfig) *SessionStore {
	return newSessionStore(Open(source, cfg.tables()), cfg)
}

func newSessionStore(store *Store, cfg SessionConfig) *SessionStore {
	s := &SessionStore{store: store, cfg: cfg}
	s.table = keyed.New(keyed.Config{
		Key:      func(name string) string { return SessionLockName(cfg.Namespace, name) },
		Fences:   !cfg.NoFence,
		NoShared: true,
		Dial:     s.dial,
	})
	return s
}

func (c SessionConfig) tables() Config {
	return Config{Database: c.Database, Prefix: c.Prefix, SingleWriter: c.SingleWriter}
}

// Connect dials the connections, unless another client of this SessionStore has, and makes
// the table of fences unless SessionConfig says not to. Errors that a repeated call cannot
// cure are marked permanent and say what to do.
func (s *SessionStore) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	if settings.TTL < minTTL {
		return nil, driver.Permanent(fmt.Errorf("TTL %v is below the minimum of %v", settings.TTL, minTTL))
	}
	if err := s.store.check(); err != nil {
		return nil, err
	}
	conn, err := s.table.Connect(ctx, settings.TTL)
	if err != nil {
		return nil, classify(err)
	}
	return conn, nil
}

// SessionLockName returns the name under which the server knows a name, as in the function
// GET_LOCK: "leasehold:" and the first 48 hexadecimal digits, in lower case, of SHA-256 over
// the namespace, a zero byte and the name. In SQL:
//
//	CONCAT('leasehold:', LEFT(SHA2(CONCAT(namespace, '\0', name), 256), 48))
//
// An empty namespace is DefaultNamespace. Servers compare such names without regard to
// case, and take at most 64 characters.
func SessionLockName(namespace, name string) string {
	hash := sha256.Sum256([]byte(cmp.Or(namespace, DefaultNamespace) + "\x00" + name))
	return "leasehold:" + hex.EncodeToString(hash[:24])
}

// dialTime bounds the making of a session.
func dialTime(ttl time.Duration) time.Duration { return max(ttl, 5*time.Second) }
