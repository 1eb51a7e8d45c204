// Package fleet runs the client processes: it starts, stops, continues, kills and
// replaces them, one in each place, and notes in the history what it did.
package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// Config says what runs in the places.
type Config struct {
	Places  int
	Client  client.Config          // of each process, without what differs
	URL     func(place int) string // how a process reaches the database; nil: as Client says
	History *history.Writer        // of the nemeses
}

// Fleet is the processes. It is safe for concurrent use; what is done to one
// place is done one after the other.
type Fleet struct {
	cfg    Config
	places []*place
}

type place struct {
	mu      sync.Mutex // held for as long as something is done to the place
	number  int
	started int // processes so far
	current *process
}

// Start starts a process in every place.
func Start(cfg Config) (*Fleet, error) {
	f := &Fleet{cfg: cfg}
	for n := range cfg.Places {
		p := &place{number: n}
		f.places = append(f.places, p)
		if err := f.start(p); err != nil {
			f.Kill()
			return nil, err
		}
	}
	return f, nil
}

func (f *Fleet) start(p *place) error {
	p.started++
	cfg := f.cfg.Client
	cfg.Process = fmt.Sprintf("%d.%d", p.number, p.started)
	cfg.Private = client.PrivateName(p.number)
	if f.cfg.URL != nil {
		cfg.Database.URL = f.cfg.URL(p.number)
	}
	cfg.Seed += uint64(p.number)<<32 + uint64(p.started)
	proc, err := start(cfg)
	if err == nil {
		p.current = proc
	}
	return err
}

// Take gives the caller one place that nobody else has, to do something to its
// process, or nil if nobody is there.
func (f *Fleet) Take(place int) *Taken {
	p := f.places[place]
	if !p.mu.TryLock() {
		return nil
	}
	return &Taken{fleet: f, place: p}
}

// End asks every process to close its client and exit, and waits for them. A
// process that failed, or does not end, is an error.
func (f *Fleet) End(limit time.Duration) error {
	var wg sync.WaitGroup
	errs := make([]error, len(f.places))
	for i, p := range f.places {
		wg.Go(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			errs[i] = p.current.end(limit)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Kill kills every process.
func (f *Fleet) Kill() {
	for _, p := range f.places {
		p.mu.Lock()
		if p.current != nil {
			p.current.kill()
		}
		p.mu.Unlock()
	}
}

// output returns what a process has printed.
func output(dir, process string) string {
	text, _ := os.ReadFile(outputFile(dir, process)) // no output is no more to tell
	return string(text)
}

func outputFile(dir, process string) string { return filepath.Join(dir, process+".output") }
