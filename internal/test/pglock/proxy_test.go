package pglock_test

import (
	"database/sql"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between a pool and the server.
type proxy struct {
	*sql.DB
	listen net.Listener
	target string
	up     *valve // to the server
	down   *valve // to the client

	mu    sync.Mutex
	conns []net.Conn
}

// valve lets bytes through while it is open.
type valve struct {
	mu   sync.Mutex
	cond *sync.Cond
	shut bool
}

func newValve() *valve {
	v := &valve{}
	v.cond = sync.NewCond(&v.mu)
	return v
}

func (v *valve) set(shut bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shut = shut
	v.cond.Broadcast()
}

func (v *valve) wait() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.shut {
		v.cond.Wait()
	}
}

// through returns a pool whose connections go over a proxy.
func (db *database) through() *proxy {
	db.t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	must(db.t, err)
	p := &proxy{listen: listen, target: db.url.Host, up: newValve(), down: newValve()}
	u := *db.url
	u.Host = listen.Addr().String()
	p.DB = db.open(&u)
	go p.accept()
	db.t.Cleanup(func() { p.close(db.t) })
	return p
}

func (p *proxy) close(t testing.TB) {
	p.listen.Close()
	p.reset()
	p.hole(false)
	p.DB.Close()
}

// hole swallows everything, or lets what was swallowed go on.
func (p *proxy) hole(on bool) {
	p.up.set(on)
	p.down.set(on)
}

// reset breaks all connections.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		go pump(server, client, p.up)
		go pump(client, server, p.down)
	}
}

func pump(to, from net.Conn, v *valve) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		v.wait()
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			_, _ = io.Copy(io.Discard, from)
			return
		}
	}
}
