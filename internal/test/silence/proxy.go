// Package silence has a proxy for tests, which stands between clients and a server and falls silent when it is told
// to: nothing passes any more, in either direction, and nothing is closed.
package silence

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes bytes between clients and one server. It is safe for concurrent use.
type Proxy struct {
	listen net.Listener
	server string

	mu     sync.Mutex // guards the fields below
	cond   *sync.Cond
	silent bool
	ends   []net.Conn
	asked  int
}

// New returns a proxy before the server at an address, closed when t ends.
func New(t testing.TB, server string) *Proxy {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listen: listen, server: server}
	p.cond = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(p.close)
	return p
}

// Address returns where clients connect to.
func (p *Proxy) Address() string { return p.listen.Addr().String() }

// Fall makes the proxy silent, also for connections to come.
func (p *Proxy) Fall() { p.set(true) }

// Lift lets everything pass again that was held back.
func (p *Proxy) Lift() { p.set(false) }

// Requests returns how often clients have sent something: for one that sends a request in one piece and waits for the
// reply, the number of round trips.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *Proxy) set(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
	p.cond.Broadcast()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.ends = append(p.ends, client, server)
		p.mu.Unlock()
		go p.pass(server, client, 1)
		go p.pass(client, server, 0)
	}
}

// pass copies bytes, and the end of them, while there is no silence. For each piece it adds count to the requests.
func (p *Proxy) pass(to io.WriteCloser, from io.Reader, count int) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		p.asked += count
		for p.silent {
			p.cond.Wait()
		}
		p.mu.Unlock()
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

func (p *Proxy) close() {
	_ = p.listen.Close()
	p.Lift()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range p.ends {
		_ = end.Close() // ends pass
	}
}
