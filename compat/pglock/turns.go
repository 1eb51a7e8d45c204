package pglock

import (
	"context"
	"sync"
)

// turns lets one goroutine of a client at a time acquire a name, first come first
// served: what the row is to hold depends on who it is.
type turns struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is who acquires a name, and who waits to.
type line struct{ waiting []chan struct{} }

// enter waits for the turn; try: it does not wait. It reports false if the turn has not
// come. Who has it calls leave.
func (t *turns) enter(ctx context.Context, name string, try bool) bool {
	t.mu.Lock()
	l := t.lines[name]
	if l == nil {
		t.lines[name] = &line{}
		t.mu.Unlock()
		return true
	}
	if try {
		t.mu.Unlock()
		return false
	}
	mine := make(chan struct{})
	l.waiting = append(l.waiting, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return true
	case <-ctx.Done():
	}
	if t.giveUp(l, mine) {
		return false
	}
	t.leave(name) // it came at the same time
	return false
}

// giveUp takes one who waits out of the line. It reports false if the turn has come.
func (t *turns) giveUp(l *line, mine chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range l.waiting {
		if other == mine {
			l.waiting = append(l.waiting[:i:i], l.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func (t *turns) leave(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[name]
	if len(l.waiting) == 0 {
		delete(t.lines, name)
		return
	}
	close(l.waiting[0])
	l.waiting = l.waiting[1:]
}
