// Package proxy stands between a client process and a server, and does to the
// bytes in between what networks do: it holds them back, delays them, lets them
// stall, or breaks the connections.
//
// Nothing is lost or reordered inside a connection that lives: TCP does not let
// that through. A lossy network is one that stalls.
package proxy

import (
	"net"
	"sync"
	"time"
)

// Proxy forwards connections to one server at a time. It is safe for concurrent
// use.
type Proxy struct {
	listen net.Listener
	link   *Link
	wg     sync.WaitGroup // of connections and of accept

	mu     sync.Mutex // guards the fields below
	target string     // host and port; empty: connections are refused
	pairs  map[*pair]struct{}
	closed bool
}

// New returns a proxy on a port of its own on 127.0.0.1, to no server yet. What it
// forwards passes over the link, which several proxies may share.
func New(link *Link) (*Proxy, error) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listen: listen, link: link, pairs: map[*pair]struct{}{}}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the host and port that it listens on.
func (p *Proxy) Addr() string { return p.listen.Addr().String() }

// Point makes it forward to another server, or to none; connections there are go on
// to where they went.
func (p *Proxy) Point(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Reset breaks all connections.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.reset()
	}
}

// Close breaks all connections, accepts no more, and waits until nothing of it is
// left. The link must not hold bytes back.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listen.Close()
	p.Reset()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

// dialTimeout bounds the connection to a server, which is on this machine.
const dialTimeout = 2 * time.Second

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	if target == "" {
		_ = client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", target, dialTimeout)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &pair{client: client.(*net.TCPConn), server: server.(*net.TCPConn)}
	if !p.add(c) {
		c.reset()
		return
	}
	defer p.remove(c)
	var wg sync.WaitGroup
	wg.Go(func() { p.link.carry(c.server, c.client, Up) })
	wg.Go(func() { p.link.carry(c.client, c.server, Down) })
	wg.Wait()
}

func (p *Proxy) add(c *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.pairs[c] = struct{}{}
	}
	return !p.closed
}

func (p *Proxy) remove(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pairs, c)
}

// pair is one connection through a proxy.
type pair struct{ client, server *net.TCPConn }

// reset closes both sides without a word.
func (c *pair) reset() {
	for _, side := range []*net.TCPConn{c.client, c.server} {
		_ = side.SetLinger(0) // it may be closed
		_ = side.Close()
	}
}
