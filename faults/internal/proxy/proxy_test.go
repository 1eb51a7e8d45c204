package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo returns the address of a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listen.Close() })
	go func() {
		for {
			c, err := listen.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return listen.Addr().String()
}

// through returns a proxy to an echo and a connection over it.
func through(t *testing.T, link *Link) (*Proxy, *caller) {
	t.Helper()
	p, err := New(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		link.Heal()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	p.Point(echo(t))
	return p, call(t, p)
}

type caller struct {
	net.Conn
	t     *testing.T
	lines *bufio.Reader
}

func call(t *testing.T, p *Proxy) *caller {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &caller{c, t, bufio.NewReader(c)}
}

func (c *caller) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) hear(want string, within time.Duration) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(within))
	if got, err := c.lines.ReadString('\n'); err != nil || got != want+"\n" {
		c.t.Fatalf("heard %q, %v; want %q", got, err, want)
	}
}

func (c *caller) silence(d time.Duration) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(d))
	if got, err := c.lines.ReadString('\n'); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("heard %q, %v; want nothing", got, err)
	}
}

const ample = 10 * time.Second

func TestHeldBytesComeLater(t *testing.T) {
	t.Parallel()
	for _, d := range []Direction{Up, Down} {
		link := NewLink(1)
		p, c := through(t, link)
		c.say("before")
		c.hear("before", ample)
		link.Set(d, Quality{Held: true})
		c.say("held")
		fresh := call(t, p) // is accepted, and gets no answer either
		fresh.say("fresh")
		c.silence(100 * time.Millisecond)
		fresh.silence(100 * time.Millisecond)
		link.Heal()
		c.hear("held", ample)
		fresh.hear("fresh", ample)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	link := NewLink(1)
	_, c := through(t, link)
	link.Set(Up, Quality{Delay: 50 * time.Millisecond})
	started := time.Now()
	c.say("slow")
	c.hear("slow", ample)
	if took := time.Since(started); took < 50*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func TestStallsAreSeldom(t *testing.T) {
	t.Parallel()
	link := NewLink(1)
	link.Set(Up, Quality{Stall: time.Second, Every: 4})
	stalled := 0
	for range 1000 {
		if link.pause(Up) > 0 {
			stalled++
		}
	}
	if stalled < 150 || stalled > 350 {
		t.Errorf("%d of 1000 deliveries stall; want about 250", stalled)
	}
}

func TestResetBreaksConnectionsAndNotTheProxy(t *testing.T) {
	t.Parallel()
	p, c := through(t, NewLink(1))
	c.say("before")
	c.hear("before", ample)
	p.Reset()
	_ = c.SetReadDeadline(time.Now().Add(ample))
	if _, err := c.lines.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a reset: %v", err)
	}
	again := call(t, p)
	again.say("again")
	again.hear("again", ample)
}

func TestNoTargetRefuses(t *testing.T) {
	t.Parallel()
	p, _ := through(t, NewLink(1))
	p.Point("")
	c := call(t, p)
	_ = c.SetReadDeadline(time.Now().Add(ample))
	if _, err := c.lines.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without a server: %v", err)
	}
}
