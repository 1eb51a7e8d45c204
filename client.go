package leasehold

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// Client acquires locks. It is safe for concurrent use, and meant to be shared by
// a whole process: one client costs one write per third of the TTL and a few
// connections, whatever the number of locks and waiters.
type Client struct {
	cfg    Config
	host   string // for people
	conn   driver.Conn
	keeper *keepalive.Keeper
	waits  *waiting

	closing context.Context // ends when Close begins
	close   context.CancelFunc
	tasks   sync.WaitGroup // everything that may use conn

	listening atomic.Bool // notifications arrive
	limit     callLimit
	failover  atomic.Int64 // how often the database was failed over; raised under waits.mu

	mu       sync.Mutex // guards the fields below; nothing else is locked under it
	draining bool       // no new acquisitions
	held     map[*Lock]struct{}
	empty    chan struct{}    // not nil while Shutdown waits for held to be empty
	ear      *keepalive.Lease // the lease that is listened for
}

// Open connects a client to a store. ctx bounds the connecting only. An error
// that matches ErrUnavailable may pass; any other needs a change first, which its
// text names. The caller closes the client; the store stays the caller's.
func Open(ctx context.Context, store driver.Store, cfg Config) (*Client, error) {
	given := cfg.TTL
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, opErr("open", "", err)
	}
	conn, err := store.Connect(ctx, driver.Settings{TTL: cfg.TTL, Tolerance: cfg.Tolerance})
	var above *driver.TTLError
	if errors.As(err, &above) && given == 0 && above.Cap >= MinTTL {
		cfg.TTL = above.Cap
		conn, err = store.Connect(ctx, driver.Settings{TTL: cfg.TTL, Tolerance: cfg.Tolerance})
	}
	if err != nil {
		return nil, opErr("open", "", kind(err), err)
	}
	host, _ := os.Hostname() // for people only
	c := &Client{cfg: cfg, conn: conn, host: host, held: map[*Lock]struct{}{}}
	c.closing, c.close = context.WithCancel(context.Background())
	c.waits = newWaiting(c)
	c.keeper = keepalive.New(keepalive.Config{
		Conn: conn, TTL: cfg.TTL, Owner: cfg.Owner,
		Info:    driver.Info{Host: host, PID: os.Getpid(), App: cfg.App},
		Renewed: c.renewed, Ended: c.leaseEnded, FailedOver: c.failedOver,
	})
	return c, nil
}

// Owner returns the name this client goes by.
func (c *Client) Owner() string { return c.cfg.Owner }

// kind returns ErrUnavailable for an error that may pass, and nil for others.
func kind(err error) error {
	if driver.IsPermanent(err) || err == ErrClosed {
		return nil
	}
	return ErrUnavailable
}

// failed wraps the error of a store for the caller of op.
func (c *Client) failed(op, name string, err error) error {
	return opErr(op, name, kind(err), err)
}

// self is this client as a holder.
func (c *Client) self(fence uint64) Holder {
	return Holder{Owner: c.cfg.Owner, Host: c.host, PID: os.Getpid(), App: c.cfg.App, Fence: fence}
}

// callTimeout bounds one call to the store that is not part of the keepalive.
func (c *Client) callTimeout() time.Duration {
	return min(max(c.cfg.TTL/3, 250*time.Millisecond), 5*time.Second)
}

func (c *Client) rules() liveness.Rules {
	r := liveness.Rules{Tolerance: c.cfg.Tolerance}
	if live := c.keeper.Live(); live != nil {
		r.Self = live.ID
	}
	return r
}

// begin registers one acquisition, which ends with tasks.Done. It reports false
// if no more are accepted.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining || c.closing.Err() != nil {
		return false
	}
	c.tasks.Add(1)
	return true
}

// spawn runs f in a goroutine that Close waits for, unless the client has begun
// to close. It reports whether it does.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Err() != nil {
		return false
	}
	c.tasks.Go(f)
	return true
}

func (c *Client) renewed(took time.Duration, err error) {
	if err != nil {
		c.cfg.Logger.Warn("leasehold: a renewal failed", "owner", c.cfg.Owner, "took", took, "err", err)
	} else if live := c.keeper.Live(); live != nil {
		c.listen(live)
	}
	if f := c.cfg.Observer.Renewed; f != nil {
		f(took, err)
	}
}

func (c *Client) leaseEnded(cause error) {
	c.waits.wakeAll()
	if cause != ErrClosed {
		c.cfg.Logger.Warn("leasehold: the lease and all its locks are lost", "owner", c.cfg.Owner, "err", cause)
	}
}

// storeFailed tells the observer of a failure that will be retried.
func (c *Client) storeFailed(op string, err error) {
	c.cfg.Logger.Debug("leasehold: a call to the store failed", "op", op, "err", err)
	if f := c.cfg.Observer.StoreFailed; f != nil {
		f(op, err)
	}
}
