package proxy

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Direction is which way bytes go.
type Direction int

const (
	Up   Direction = iota // to the server
	Down                  // to the client
)

// Quality is what a link does to bytes of one direction. The zero value does
// nothing to them.
type Quality struct {
	// Held: nothing is delivered, nor is the end of a connection, and no error
	// is given. What was held is delivered when the link is open again.
	Held bool
	// Delay of everything that is read at once.
	Delay time.Duration
	// Stall is how long a delivery waits, at the most, once in Every deliveries.
	Stall time.Duration
	Every int
}

// Link is a way for bytes, with a quality for each direction. The zero Link is not
// ready for use. It is safe for concurrent use.
type Link struct {
	mu      sync.Mutex // guards the fields below
	quality [2]Quality
	changed chan struct{} // closed when quality changes
	dice    *rand.Rand
}

// NewLink returns a link that does nothing to bytes.
func NewLink(seed uint64) *Link {
	return &Link{changed: make(chan struct{}), dice: rand.New(rand.NewPCG(seed, 2))}
}

// Set changes the quality of one direction, for what is under way too.
func (l *Link) Set(d Direction, q Quality) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quality[d] = q
	close(l.changed)
	l.changed = make(chan struct{})
}

// Heal lets everything through again.
func (l *Link) Heal() {
	l.Set(Up, Quality{})
	l.Set(Down, Quality{})
}

// carry brings what comes from one side to the other until either is closed, and
// closes the other then.
func (l *Link) carry(to, from *net.TCPConn, d Direction) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		l.pass(d)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				_, _ = io.Copy(io.Discard, from) // until that side is closed too
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass returns when what is at hand may be delivered.
func (l *Link) pass(d Direction) {
	until := time.Now().Add(l.pause(d))
	for {
		l.mu.Lock()
		q, changed := l.quality[d], l.changed
		l.mu.Unlock()
		left := time.Until(until)
		switch {
		case q.Held:
			<-changed
		case q == (Quality{}) || left <= 0:
			return
		default:
			select {
			case <-changed:
			case <-time.After(left):
			}
		}
	}
}

// pause draws how long the next delivery is delayed.
func (l *Link) pause(d Direction) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.quality[d]
	if q.Every > 0 && l.dice.IntN(q.Every) == 0 {
		return q.Delay + time.Duration(l.dice.Int64N(int64(q.Stall)))
	}
	return q.Delay
}
