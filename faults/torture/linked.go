package torture

import (
	"net"
	"os"
	"sync"
	"time"
)

// linked is a connection through a link.
type linked struct {
	net.Conn
	link        *link
	once        sync.Once
	closed      chan struct{}
	read, write *deadline

	reading sync.Mutex // held by one of several readers; guards the field below
	held    []byte     // has arrived, and waits to pass
}

func (c *linked) Read(b []byte) (int, error) {
	c.reading.Lock() // the first one's deadline is that of all who wait here
	defer c.reading.Unlock()
	if len(c.held) == 0 {
		n, err := c.Conn.Read(b)
		if err != nil {
			return n, err
		}
		c.held = append(c.held, b[:n]...)
	}
	if err := c.pass(&c.link.replies, c.read); err != nil {
		return 0, err
	}
	n := copy(b, c.held)
	c.held = c.held[n:]
	return n, nil
}

func (c *linked) Write(b []byte) (int, error) {
	if err := c.pass(&c.link.requests, c.write); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// pass waits for the delay of the gate, and until it is open.
func (c *linked) pass(g *gate, d *deadline) error {
	late := time.NewTimer(g.latency())
	defer late.Stop()
	select {
	case <-late.C:
	case <-d.passed():
		return os.ErrDeadlineExceeded
	case <-c.closed:
		return net.ErrClosed
	}
	select {
	case <-g.opened():
		return nil
	case <-d.passed():
		return os.ErrDeadlineExceeded
	case <-c.closed:
		return net.ErrClosed
	}
}

func (c *linked) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *linked) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return c.Conn.SetDeadline(t)
}

func (c *linked) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return c.Conn.SetReadDeadline(t)
}

func (c *linked) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// deadline is a deadline of net.Conn, which may be moved while somebody waits.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{}
}

func newDeadline() *deadline { return &deadline{over: make(chan struct{})} }

// set moves it; the zero time is never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer == nil || !d.timer.Stop() {
		d.over = d.afresh()
	}
	d.timer = nil
	if !t.IsZero() {
		over := d.over
		d.timer = time.AfterFunc(time.Until(t), func() { close(over) })
	}
}

// afresh returns a channel that nobody has closed or will close.
func (d *deadline) afresh() chan struct{} {
	if d.timer == nil {
		return d.over
	}
	return make(chan struct{})
}

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}
