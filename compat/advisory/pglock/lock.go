package pglock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/leaseholdgo/leasehold/internal/reply"
)

// Lock is one advisory lock, and the connection that holds it. It is safe for concurrent use; all
// goroutines share what it holds.
type Lock struct {
	id   int64
	db   *sql.DB
	conn *sql.Conn // for who has the turn
	at   backend

	turn    chan struct{}   // full while a statement is under way, or what follows from it
	closing chan struct{}   // closed by Close
	life    context.Context // of the statements; its end costs the connection
	kill    context.CancelFunc
	wg      sync.WaitGroup
	once    sync.Once // of Close

	mu    sync.Mutex // guards the fields below
	held  map[mode]int
	err   error         // why it is of no more use
	done  chan struct{} // closed when err is set
	watch bool          // the connection is asked from time to time
}

// mode is how the lock is held: what it adds to the names of the server's functions.
type mode string

const (
	exclusive mode = ""
	shared    mode = "_shared"
)

// New returns the lock of a key, not held, with a connection of its own, which Close gives back. ctx bounds New only. An
// error means that no connection is kept. ErrPooler: see the package documentation. About eight round
// trips.
func New(ctx context.Context, id int64, db *sql.DB) (*Lock, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("pglock: connecting: %w", err)
	}
	l := &Lock{
		id: id, db: db,
		turn: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
		held: map[mode]int{},
	}
	conn, err := reply.Await(ctx, func() (*sql.Conn, error) { return l.connect(ctx) }, func(conn *sql.Conn, err error) {
		if err == nil {
			discard(conn)
		}
	})
	switch {
	case errors.Is(err, reply.ErrNone):
		return nil, fmt.Errorf("pglock: connecting: %w", err)
	case err != nil:
		return nil, err
	}
	l.conn = conn
	l.life, l.kill = context.WithCancel(context.Background())
	return l, nil
}

func (l *Lock) connect(ctx context.Context) (*sql.Conn, error) {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("pglock: connecting: %w", err)
	}
	if l.at, err = identify(ctx, l.db, conn); err != nil {
		discard(conn)
		return nil, err
	}
	return conn, nil
}

// Lock waits until the lock is held exclusively by this Lock's session, once more than before. Who
// waits at the server is served first come first. An error means that it is not held once more, and matches the error
// of ctx if that ended the wait; other holds are as they were, unless it matches ErrLost too. One round trip.
func (l *Lock) Lock(ctx context.Context) error { return l.wait(ctx, exclusive) }

// RLock is Lock in shared mode.
func (l *Lock) RLock(ctx context.Context) error { return l.wait(ctx, shared) }

func (l *Lock) wait(ctx context.Context, m mode) error {
	_, err := l.call(ctx, statement{function: "pg_advisory_lock", mode: m, change: 1, blocks: true})
	return err
}

// TryLock is Lock that does not wait: it reports whether the lock is now held once more. One round trip.
func (l *Lock) TryLock(ctx context.Context) (bool, error) {
	return l.call(ctx, statement{function: "pg_try_advisory_lock", mode: exclusive, change: 1})
}

// TryRLock is TryLock in shared mode.
func (l *Lock) TryRLock(ctx context.Context) (bool, error) {
	return l.call(ctx, statement{function: "pg_try_advisory_lock", mode: shared, change: 1})
}

// Unlock gives one exclusive hold back. Nil: it did, or there was none. If ctx ends before the server has answered, the
// error is that of ctx, and the hold is given back all the same. One round trip, or none.
func (l *Lock) Unlock(ctx context.Context) error { return l.unlock(ctx, exclusive) }

// RUnlock gives one shared hold back, as Unlock does.
func (l *Lock) RUnlock(ctx context.Context) error { return l.unlock(ctx, shared) }

func (l *Lock) unlock(ctx context.Context, m mode) error {
	_, err := l.call(ctx, unlocking(m))
	return err
}

// count adds to the holds.
func (l *Lock) count(m mode, change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[m] += change
}

func (l *Lock) holds(m mode) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[m]
}
