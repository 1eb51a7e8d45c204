package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// grant is the outcome of an attempt: a lock and what it hangs on, or err.
type grant struct {
	lock   *leasehold.Lock
	client *leasehold.Client
	store  *openStore
	err    error
}

// acquire opens the database and gets the lock. tell is given a line to show
// when the wait is long. When ctx ends first, nothing of the attempt is left.
func acquire(ctx context.Context, j job, tell func(string)) grant {
	var trouble trouble
	store, client, err := connect(ctx, j, &trouble)
	if err != nil {
		return grant{err: err}
	}
	g := grant{client: client, store: store}
	if j.Try {
		g.lock, g.err = client.TryAcquire(ctx, j.Name)
	} else {
		g.lock, g.err = wait(ctx, client, j, func(info leasehold.Info) { tell(trouble.line(info)) })
	}
	if g.err == nil && ctx.Err() != nil {
		g.err = context.Cause(ctx)
	}
	if g.err != nil {
		if cause := context.Cause(ctx); cause != nil {
			g.err = cause
		}
		g.close(quickClose)
	}
	return g
}

// connect makes first contact with the database. One that does not answer is
// tried again until the time for it is over.
func connect(ctx context.Context, j job, trouble *trouble) (*openStore, *leasehold.Client, error) {
	store, err := j.Database.open()
	if err != nil {
		return nil, nil, err
	}
	client, err := firstContact(ctx, store, leasehold.Config{
		TTL:      j.TTL,
		Owner:    j.Owner,
		App:      printable("leasehold " + j.verb() + " " + filepath.Base(j.Args[0])),
		Observer: leasehold.Observer{StoreFailed: trouble.note},
	}, j.Connect)
	if err != nil {
		store.close()
		return nil, nil, err
	}
	return store, client, nil
}

const (
	firstRetry   = 50 * time.Millisecond
	longestRetry = time.Second
)

func firstContact(ctx context.Context, store *openStore, cfg leasehold.Config, patience time.Duration) (*leasehold.Client, error) {
	attempt, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := firstRetry; ; pause = min(2*pause, longestRetry) {
		client, err := leasehold.Open(attempt, store, cfg)
		if err == nil {
			return client, nil
		}
		if driver.IsPermanent(err) || errors.Is(err, leasehold.ErrInvalid) {
			return nil, err
		}
		select {
		case <-attempt.Done():
			return nil, fmt.Errorf("%w (tried for %v)", err, patience)
		case <-time.After(pause):
		}
	}
}

// longWait is how long a wait may be without a word.
const longWait = time.Second

func wait(ctx context.Context, client *leasehold.Client, j job, tell func(leasehold.Info)) (*leasehold.Lock, error) {
	if j.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.Wait)
		defer cancel()
	}
	explain := time.AfterFunc(longWait, func() {
		if info, err := client.Get(ctx, j.Name); err == nil && ctx.Err() == nil {
			tell(info)
		}
	})
	defer explain.Stop()
	return client.Acquire(ctx, j.Name)
}

// trouble is the last thing that the store refused, if any.
type trouble struct{ last atomic.Pointer[string] }

func (t *trouble) note(_ string, err error) {
	text := plain(err)
	t.last.Store(&text)
}

// line says what we wait for.
func (t *trouble) line(info leasehold.Info) string {
	if last := t.last.Load(); last != nil && info.Holder == nil {
		return fmt.Sprintf("waiting for %q: %s", info.Name, *last)
	}
	return waitingLine(info)
}

// waitingLine says whom we wait for.
func waitingLine(info leasehold.Info) string {
	host, _ := os.Hostname()
	ahead := slices.IndexFunc(info.Waiters, func(w leasehold.Waiter) bool {
		return w.PID == os.Getpid() && w.Host == host
	})
	if ahead < 0 {
		ahead = len(info.Waiters)
	}
	line := fmt.Sprintf("waiting for %q", info.Name)
	if info.Holder != nil {
		line += ", held by " + info.Holder.String()
	}
	return line + fmt.Sprintf(", %d ahead in the queue", ahead)
}

// quickClose bounds what is sent to the database when nothing more is owed to
// anybody: the attempt was given up, or the lock is lost. What does not get
// through is cleared by the lease's expiry.
const quickClose = time.Second

// close gives back the lock, if there is one, and ends the client, within limit.
func (g *grant) close(limit time.Duration) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if g.lock != nil {
			_ = g.lock.Close()
		}
		_ = g.client.Close()
		g.store.close()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// errSignal ends an attempt because of the signal of that number.
type errSignal int

func (e errSignal) Error() string { return fmt.Sprintf("ended by signal %d", int(e)) }

// lostCause returns why a lock's context ended.
func lostCause(lock *leasehold.Lock) error { return context.Cause(lock.Context()) }

// exitOf returns the exit status for an attempt that failed, and its line.
func exitOf(err error, j job) (int, string) {
	var ended errSignal
	switch {
	case errors.As(err, &ended):
		return statusSignal + int(ended), ""
	case errors.Is(err, leasehold.ErrHeld):
		return j.HeldStatus, heldLine(err)
	default:
		f := explain(err)
		return f.status, f.text
	}
}

// heldLine names the holder.
func heldLine(err error) string {
	held, ok := errors.AsType[*leasehold.HeldError](err)
	if !ok {
		return err.Error()
	}
	line := fmt.Sprintf("%q is held by %s", held.Name, held.Holder)
	if held.Cause != nil {
		line += "; gave up waiting"
	}
	return line
}

// plain returns the first line of an error, without what the line around it says.
func plain(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	for _, said := range []string{"leasehold: ", leasehold.ErrUnavailable.Error() + ": "} {
		text = strings.ReplaceAll(text, said, "")
	}
	return text
}

// explain gives an error of the library or of a store its exit status.
func explain(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	text := plain(err)
	switch {
	case errors.Is(err, leasehold.ErrInvalid), errors.Is(err, leasehold.ErrNotHeld):
		return &failure{statusUsage, text}
	case driver.IsPermanent(err):
		return &failure{statusConfig, "unusable database: " + text}
	default:
		return &failure{statusUnavailable, "database unreachable: " + text}
	}
}
