package torture

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// link is the network between one client and the server, both ways. What is sent
// while a way is cut is not lost, and nothing is reset: it arrives when the way is
// healed, if somebody still waits for it.
type link struct {
	requests, replies gate
}

// dialFunc returns dial through the link.
func (l *link) dialFunc(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case <-l.requests.opened():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		raw, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &linked{Conn: raw, link: l, closed: make(chan struct{}), read: newDeadline(), write: newDeadline()}, nil
	}
}

// gate is one way of a link. The zero gate is open.
type gate struct {
	mu     sync.Mutex
	closed chan struct{} // of a shut gate; closed when it opens
	delay  time.Duration // of everything that passes
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = make(chan struct{})
}

func (g *gate) slow(delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = delay
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = 0
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

// opened returns a channel that is closed as soon as the gate is open.
func (g *gate) opened() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		passable := make(chan struct{})
		close(passable)
		return passable
	}
	return g.closed
}

func (g *gate) latency() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.delay
}
