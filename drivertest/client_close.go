package drivertest

import (
	"context"
	"errors"

	"github.com/leaseholdgo/leasehold"
)

func clientClose(w *world) {
	holder, other := w.open("the holder"), w.open("the other")
	l := w.lock(holder, "a")
	taken := w.lock(other, "b")
	waiting := w.wait(w.ctx(), holder, "b", 1)
	next := w.wait(w.ctx(), other, "a", 1)
	if err := holder.Close(); err != nil {
		w.Errorf("Close: %v", err)
	}
	if err := w.refused(waiting); !errors.Is(err, leasehold.ErrClosed) {
		w.Errorf("a wait ended by Close: %v", err)
	}
	if cause := w.ended(l); !errors.Is(cause, leasehold.ErrClosed) || l.Held() {
		w.Errorf("a lock ended by Close: %v, held %v", cause, l.Held())
	}
	w.unlock(w.granted(next).lock)
	await(w.T, "the wait left the queue", func() bool { return len(w.row("b").Queue) == 0 })
	w.unlock(taken)
	if _, err := holder.Acquire(w.ctx(), "c"); !errors.Is(err, leasehold.ErrClosed) {
		w.Errorf("Acquire after Close: %v", err)
	}
	if err := holder.Close(); err != nil {
		w.Errorf("Close, repeated: %v", err)
	}
	w.unlock(w.lock(other, "c")) // the store goes on
}

func clientShutdown(w *world) {
	c, other := w.open("the holder"), w.open("the other")
	l := w.lock(c, "a")
	done := make(chan error, 1)
	go func() { done <- c.Shutdown(w.Context()) }()
	await(w.T, "no more acquisitions are accepted", func() bool {
		extra, err := c.TryAcquire(w.ctx(), "b")
		if err == nil {
			w.unlock(extra)
		}
		return errors.Is(err, leasehold.ErrClosed)
	})
	select {
	case err := <-done:
		w.Fatalf("Shutdown did not wait for a holder: %v", err)
	default:
	}
	if !l.Held() {
		w.Error("Shutdown took a lock from its user")
	}
	w.unlock(l)
	select {
	case err := <-done:
		if err != nil {
			w.Errorf("Shutdown: %v", err)
		}
	case <-w.ctx().Done():
		w.Fatal("Shutdown did not return")
	}
	w.unlock(w.lock(other, "a"))

	stays := w.lock(other, "a")
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	if err := other.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		w.Errorf("Shutdown with a context that had ended: %v", err)
	}
	if cause := w.ended(stays); !errors.Is(cause, leasehold.ErrClosed) {
		w.Errorf("cause %v", cause)
	}
	w.wantNoGhost("a")
}
