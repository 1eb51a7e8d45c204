package mysql

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between clients and the server, and holds back what it is told to.
type proxy struct {
	listen net.Listener
	server string

	mu       sync.Mutex // guards the fields below
	cond     *sync.Cond
	replies  *bool // pass from the server to clients, on connections made since fresh
	requests *bool
	conns    []net.Conn
	closed   bool
}

// newProxy returns a proxy to the test server, and the address of a database through it.
func newProxy(t *testing.T, database string) (*proxy, string) {
	t.Helper()
	cfg := settingsOf(t, serverURL(t))
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listen: listen, server: cfg.Addr, replies: new(bool), requests: new(bool)}
	p.cond = sync.NewCond(&p.mu)
	p.set(true, true)
	go p.accept()
	t.Cleanup(p.close)
	cfg.Addr, cfg.DBName = listen.Addr().String(), database
	return p, cfg.FormatDSN()
}

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		go p.pump(server, client, p.requests)
		go p.pump(client, server, p.replies)
		p.mu.Unlock()
	}
}

func (p *proxy) pump(to io.WriteCloser, from io.Reader, open *bool) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		for !*open && !p.closed {
			p.cond.Wait()
		}
		p.mu.Unlock()
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// set lets requests and replies pass, or holds them back.
func (p *proxy) set(requests, replies bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.requests, *p.replies = requests, replies
	p.cond.Broadcast()
}

// fresh leaves the connections there are as they are, and lets those pass that come.
func (p *proxy) fresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests, replies := true, true
	p.requests, p.replies = &requests, &replies
}

func (p *proxy) close() {
	_ = p.listen.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cond.Broadcast()
	for _, conn := range p.conns {
		_ = conn.Close() // ends the pumps
	}
}
