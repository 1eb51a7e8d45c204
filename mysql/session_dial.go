package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// dial makes the session of all clients.
func (s *SessionStore) dial(ctx context.Context, ttl time.Duration, lost []keyed.Session) (keyed.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime(ttl))
	defer cancel()
	db, own, err := s.store.pool()
	if err != nil {
		return nil, err
	}
	h, err := s.begin(ctx, newNamed(db, own, ttl), lost)
	if err != nil {
		h.Close()
		return nil, classify(err)
	}
	return h, nil
}

// begin makes a session of one that has no connection yet.
func (s *SessionStore) begin(ctx context.Context, h *named, lost []keyed.Session) (*named, error) {
	conn, err := h.db.Conn(ctx)
	if err != nil {
		return h, fmt.Errorf("cannot connect: %w", err)
	}
	h.main = &session{conn: conn, multi: h.own}
	err = h.settle(ctx, h.main)
	if err == nil {
		err = h.refusePooler(ctx, h.main)
	}
	if err == nil {
		err = s.refuseCluster(ctx, h.main)
	}
	if err == nil {
		err = outliveAll(ctx, h.main, lost)
	}
	if err == nil {
		h.fences, h.guards, err = s.cfg.furnish(ctx, h.main)
	}
	if err == nil {
		err = h.attend(ctx)
	}
	if err == nil {
		h.start()
	}
	return h, err
}

// longestStatement bounds what the server takes for a statement, however long the TTL is.
const longestStatement = time.Hour

// settle makes the settings of the connection that holds the locks.
func (h *named) settle(ctx context.Context, main *session) error {
	if !main.multi {
		if err := main.tellMulti(ctx); err != nil {
			return err
		}
	}
	if err := main.setUp(ctx, min(h.patience, longestStatement)); err != nil {
		return err
	}
	if err := main.run(ctx, plain(patienceSQL(h.patience))...); err != nil {
		return err
	}
	return main.run(ctx, statement{"SELECT CONNECTION_ID()", row(&h.id)})
}

// patienceSQL sets how long the server lets the session live without a statement. Two
// TTLs are later than any client believes in a lock; a short TTL would end sessions of
// programs that are merely slow.
func patienceSQL(ttl time.Duration) string {
	seconds := min(IdleTimeout(ttl).Seconds()+0.999, 365*24*3600) // which is the server's limit
	return "SET SESSION wait_timeout = " + number(int64(seconds))
}

// IdleTimeout is how long the server lets a session live without a statement, for clients
// with the TTL: it is when it frees the locks of one that has vanished, its host or the
// network.
func IdleTimeout(ttl time.Duration) time.Duration { return max(2*ttl, 10*time.Second) }

var errPooler = errors.New("a proxy that shares server connections among its clients is in between, where a session lock would be left with a connection of somebody else's: connect to the server itself, or use the lease store")

// refusePooler returns an error if the statements of one connection reach several of the
// server's. Each statement of ours looks at that later.
func (h *named) refusePooler(ctx context.Context, main *session) error {
	for range 3 {
		var id, marked int64
		err := main.run(ctx, statement{"SELECT CONNECTION_ID(), IFNULL(IS_USED_LOCK('" + main.mark + "'), 0)", row(&id, &marked)})
		if err != nil {
			return err
		}
		if id != h.id || marked != h.id {
			return driver.Permanent(errPooler)
		}
	}
	return nil
}

// refuseCluster returns an error if other nodes may grant the same locks.
func (s *SessionStore) refuseCluster(ctx context.Context, main *session) error {
	nodes, err := main.writers(ctx)
	if err == nil && nodes != "" && !s.cfg.SingleWriter {
		err = driver.Permanent(fmt.Errorf("%s: named locks do not reach other nodes; if all clients use one node at a time, say so with SessionConfig.SingleWriter", nodes))
	}
	return err
}

// outliveAll makes sure that sessions that were lost have ended at the server. All that
// they held has been given up by us, and would else stay taken until it notices.
func outliveAll(ctx context.Context, main *session, lost []keyed.Session) error {
	for _, gone := range lost {
		if err := main.outlive(ctx, gone.(*named).main.mark); err != nil {
			return err
		}
	}
	return nil
}
