package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// process is one process, or what takes its place in this one.
type process struct {
	cfg      Config
	database database.Database
	history  *history.Writer
	ops      atomic.Uint64
	stop     atomic.Int64 // stop inside a guarded transaction that comes before this instant
}

// Main runs a client process until its standard input ends, which it does with
// the parent process, however that ends.
func Main(cfg Config) (err error) {
	w, err := history.Create(cfg.Directory, cfg.Process)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	db, err := database.Open(context.Background(), cfg.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	p := &process{cfg: cfg, database: db, history: w}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with the process
		defer cancel()
		p.obey(os.Stdin)
	}()
	return p.run(ctx)
}

// Run does in this process what Main does in one of its own, on a database that is
// open, until ctx ends; then it closes its client and returns. It takes no orders.
// An error means that no client could be opened, for a reason that does not pass.
func Run(ctx context.Context, cfg Config, db database.Database, w *history.Writer) error {
	return (&process{cfg: cfg, database: db, history: w}).run(ctx)
}

func (p *process) run(ctx context.Context) error {
	r := p.dice(0)
	for nth := 1; ctx.Err() == nil; nth++ {
		if err := p.session(ctx, nth, r); err != nil {
			return err
		}
	}
	return nil
}

// orderLife is how long an order to stop inside a transaction is good for: not so
// long that it is carried out when nobody reckons with it any more.
const orderLife = 1200 * time.Millisecond

// told reports, once per order, whether the process is to stop itself now.
func (p *process) told() bool {
	until := p.stop.Swap(0)
	return int64(history.Now()) < until
}

// obey takes orders until there are no more.
func (p *process) obey(orders io.Reader) {
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		if lines.Text() == StopInside {
			p.stop.Store(int64(history.Now() + orderLife))
		}
	}
}

// dice returns the source of randomness of one goroutine.
func (p *process) dice(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(p.cfg.Seed, stream)) }

const (
	workers     = 4 // goroutines that work on the hot names
	modeWorkers = 3 // and on those of modes
)

// tasks returns the names that each goroutine works on: the last one has the private name.
func (c Config) tasks() (all [][]string) {
	for range workers {
		all = append(all, c.Hot)
	}
	for range min(modeWorkers, len(c.Modes)) {
		all = append(all, c.Modes)
	}
	return append(all, []string{c.Private})
}

// session opens a client, works with it for a while, and closes it: mostly after
// the work has ended, sometimes under the hands of the workers. An error means that
// no other session can do better.
func (p *process) session(ctx context.Context, nth int, r *rand.Rand) error {
	s, err := p.open(ctx, nth)
	if err != nil {
		if !errors.Is(err, leasehold.ErrUnavailable) && ctx.Err() == nil {
			return err // nothing under test should cause it
		}
		backoff.Sleep(ctx, 50*time.Millisecond) // the server may be down
		return nil
	}
	length := between(r, 2*time.Second, 12*time.Second)
	if r.IntN(4) == 0 {
		length = between(r, 12*time.Second, 30*time.Second) // for waits that do not end
	}
	work, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var wg sync.WaitGroup
	for n, names := range p.cfg.tasks() {
		worker := &worker{session: s, names: names, r: p.dice(uint64(nth*100 + n + 1))}
		wg.Go(func() { worker.run(work) })
	}
	<-work.Done()
	if r.IntN(2) == 0 {
		wg.Wait()
	}
	s.close()
	wg.Wait()
	return nil
}

// between returns a random duration.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}
