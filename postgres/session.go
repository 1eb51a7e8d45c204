package postgres

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
	"github.com/leaseholdgo/leasehold/postgres/internal/advisory"
)

// SessionStore holds locks through a database session: through advisory locks of the
// server, which it frees the moment the session's connection ends. It is safe for
// concurrent use and serves any number of clients, all through one connection.
//
// # What it does not promise
//
// The server frees the locks before their holder can know. So between the end of a
// session and the moment at which the holder's context has ended another client may hold
// the lock too. That moment is at once where the end of the connection reaches us, and
// the trust deadline where nothing does: at most the client's TTL later. The server, in
// turn, notices a client that has vanished, its host or the network, after twice the TTL
// (at least 10 s), later than the client stops believing; where it is older than
// PostgreSQL 14, after twice the TTL by TCP alone. What must be exact in between is
// guarded ([Guard]): then it is, in this database; or compares fences.
//
// Nothing survives the session: no lock, no place in a queue. A server that fails over
// has no advisory locks of the old one, and if both are alive both grant.
//
// Order: first come, first served among all clients of one SessionStore. Between
// processes there is none. Who waits for a lock that another session holds asks again,
// after a quarter of the time that it has waited for, at most every 50 ms; all the names
// that a process waits for are asked for in one statement. A process that passes a lock
// among its goroutines, or takes it again and again, lets other processes that wait have
// it after 100 ms; and so do readers who overlap let in a writer of another process.
//
// Permits, minimum holds, data and fixed TTLs are ErrUnsupported. Revoke works on locks
// of the same SessionStore only: others are revoked by ending their session
// (pg_terminate_backend), which their HeldError names.
//
// # What it does
//
// Nothing is written but one row, for the fences; with SessionConfig.NoFence nothing at all.
// Locks that are shared and exclusive ones are kept as everywhere; who waits for
// a writer that waits in the same process does not overtake it. A renewal asks the server
// whether the session is there. Everything that is asked for while a statement is in
// flight makes one statement.
//
// It needs a connection of its own to the primary: behind a pooler in transaction mode
// it refuses to work. One that keeps a server process for each connection will do.
type SessionStore struct {
	pool  *pgxpool.Config
	cfg   SessionConfig
	table *keyed.Table
}

// SessionConfig says how a SessionStore works. The zero SessionConfig is ready for use.
type SessionConfig struct {
	// Namespace keeps apart applications that use the same names: it is hashed with
	// every name into the key that the server knows (see SessionKey). Any text.
	// Default "leasehold".
	Namespace string

	// NoFence does without a table, and so without fences: Lock.Fence is 0, and what
	// needs one is ErrUnsupported.
	NoFence bool

	// Schema that holds the table of fences, and Prefix of its name: as in Config.
	Schema string
	Prefix string

	// ManualSchema keeps Connect from making the table: it reports an error where
	// it is missing. Use it with SessionMigrationSQL, run by a role that may.
	ManualSchema bool
}

// DefaultNamespace is the namespace of a zero SessionConfig.
const DefaultNamespace = "leasehold"

var _ driver.Store = (*SessionStore)(nil)

// NewSession returns a SessionStore for the database that pool connects to. It copies the
// pool's settings, with its BeforeConnect and AfterConnect hooks, and does not use,
// change or close the pool itself. It does no I/O; a bad cfg is an error of Connect, and
// so of leasehold.Open.
func NewSession(pool *pgxpool.Pool, cfg SessionConfig) *SessionStore {
	s := &SessionStore{pool: pool.Config(), cfg: cfg}
	s.table = keyed.New(advisory.Config(cfg.namespace(), !cfg.NoFence, s.dial))
	return s
}

func (c SessionConfig) namespace() string { return cmp.Or(c.Namespace, DefaultNamespace) }

func (c SessionConfig) tables() Config { return Config{Schema: c.Schema, Prefix: c.Prefix} }

// Connect dials the connection, unless another client of this SessionStore has, and makes
// the table of fences unless SessionConfig says not to. Errors that a repeated call
// cannot cure are marked permanent and say what to do.
func (s *SessionStore) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	if err := s.cfg.tables().validate(); err != nil {
		return nil, err
	}
	if settings.TTL < minTTL {
		return nil, driver.Permanent(fmt.Errorf("TTL %v is below the minimum of %v", settings.TTL, minTTL))
	}
	conn, err := s.table.Connect(ctx, settings.TTL)
	if err != nil {
		return nil, classify(err)
	}
	return conn, nil
}

// ErrKeyInUse is matched by the error of an acquisition where another name that is in
// use in the same process has the same key. It cannot be seen of names in use in other
// processes: there one waits for the other, and none is ever held twice.
var ErrKeyInUse = keyed.ErrKeyInUse

// SessionKey returns the key under which the server knows a name, as in the functions
// pg_advisory_lock(bigint) and pg_advisory_xact_lock(bigint): the first eight bytes,
// big-endian, of SHA-256 over the namespace, a zero byte and the name, as a signed number.
// In SQL:
//
//	('x' || left(encode(sha256(convert_to(namespace, 'UTF8') || '\x00' || convert_to(name, 'UTF8')), 'hex'), 16))::bit(64)::bigint
//
// For a name that Key returned it is that key. An empty namespace is DefaultNamespace.
func SessionKey(namespace, name string) int64 {
	return advisory.Key(cmp.Or(namespace, DefaultNamespace), name)
}

// Key returns the name that stands for the advisory lock key itself, in every
// namespace: to use the locks of programs that use the server's functions. (It is
// "pg_advisory_lock:" and the number.)
func Key(key int64) string { return advisory.RawName(key) }

// dialTime bounds the making of a session.
func dialTime(ttl time.Duration) time.Duration { return max(ttl, 5*time.Second) }
