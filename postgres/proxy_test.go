package postgres

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// proxy stands between a client and the server, and loses what it is told to.
type proxy struct {
	t      testing.TB
	listen net.Listener
	server func() (net.Conn, error)

	mu    sync.Mutex // guards the fields below
	pairs []*pair
	up    *valve // client to server, of connections made from now on
	down  *valve
}

// pair is one connection through a proxy.
type pair struct {
	up, down       *valve
	client, server net.Conn
}

// valve lets bytes through while it is open.
type valve struct {
	mu   sync.Mutex
	cond *sync.Cond
	open bool
}

func newValve() *valve {
	v := &valve{open: true}
	v.cond = sync.NewCond(&v.mu)
	return v
}

func (v *valve) set(open bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open = open
	v.cond.Broadcast()
}

func (v *valve) shut()   { v.set(false) }
func (v *valve) unshut() { v.set(true) }

// wait returns when the valve is open.
func (v *valve) wait() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for !v.open {
		v.cond.Wait()
	}
}

// newProxy returns a proxy to the test server and a pool that goes through it.
func newProxy(t testing.TB) (*proxy, *pgxpool.Pool) {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listen: listen, up: newValve(), down: newValve()}
	pool := testPool(t, func(cfg *pgxpool.Config) {
		dial := cfg.ConnConfig.DialFunc
		network, addr := pgconn.NetworkAddress(cfg.ConnConfig.Host, cfg.ConnConfig.Port)
		p.server = func() (net.Conn, error) { return dial(context.Background(), network, addr) }
		cfg.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", listen.Addr().String())
		}
	})
	go p.accept()
	t.Cleanup(p.close)
	return p, pool
}

// newProxyTo returns a proxy to the server of the URL, and the URL that goes through it.
func newProxyTo(t testing.TB, server string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listen: listen, up: newValve(), down: newValve()}
	p.towards(u.Host)
	u.Host = listen.Addr().String()
	go p.accept()
	t.Cleanup(p.close)
	return p, u.String()
}

// towards sends connections made from now on to that host.
func (p *proxy) towards(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = func() (net.Conn, error) { return net.Dial("tcp", host) }
}

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		dial := p.server
		p.mu.Unlock()
		server, err := dial()
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		c := &pair{up: p.up, down: p.down, client: client, server: server}
		p.pairs = append(p.pairs, c)
		p.mu.Unlock()
		go c.pump(c.server, c.client, c.up)
		go c.pump(c.client, c.server, c.down)
	}
}

func (c *pair) pump(to io.WriteCloser, from io.Reader, v *valve) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		v.wait() // what was read is delivered late, not lost
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// fresh gives connections made from now on valves of their own, and returns
// those of the connections made until now.
func (p *proxy) fresh() (up, down *valve) {
	p.mu.Lock()
	defer p.mu.Unlock()
	up, down = p.up, p.down
	p.up, p.down = newValve(), newValve()
	return up, down
}

func (p *proxy) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up.shut()
	p.down.shut()
}

func (p *proxy) unshut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up.unshut()
	p.down.unshut()
}

func (p *proxy) close() {
	_ = p.listen.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pairs {
		c.up.unshut()
		c.down.unshut()
		_ = c.client.Close()
		_ = c.server.Close()
	}
}
