package fleet

import (
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// Taken is one place in the hands of a nemesis, until Leave.
type Taken struct {
	fleet *Fleet
	place *place
}

// Leave gives the place back.
func (t *Taken) Leave() { t.place.mu.Unlock() }

// Stop stops the process.
func (t *Taken) Stop() error {
	t.Note(history.Fault, "stop")
	return halt(t.place.current.cmd.Process)
}

// patience is how long StopInside waits for a guarded transaction.
const patience = 1500 * time.Millisecond

// StopInside stops the process in the middle of a guarded transaction, or
// anywhere if there is none for some time.
func (t *Taken) StopInside() error {
	p := t.place.current
	if _, err := fmt.Fprintln(p.orders, client.StopInside); err != nil {
		return fmt.Errorf("client process %s takes no orders: %w: %s", p.cfg.Process, err, output(p.cfg.Directory, p.cfg.Process))
	}
	for waited := time.Duration(0); waited < patience; waited += 5 * time.Millisecond {
		if stopped(p.cmd.Process.Pid) {
			t.Note(history.Fault, "stop inside a guard")
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return t.Stop()
}

// Continue continues a stopped process. One that had no guarded transaction may
// still stop itself when it comes to one; so it is watched for a while.
func (t *Taken) Continue() error {
	t.Note(history.Healed, "stop")
	for range 3 {
		if err := proceed(t.place.current.cmd.Process); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// Kill kills the process.
func (t *Taken) Kill() error {
	select {
	case <-t.place.current.exited:
		return fmt.Errorf("client process %s has exited: %s",
			t.place.current.cfg.Process, output(t.place.current.cfg.Directory, t.place.current.cfg.Process))
	default:
	}
	t.Note(history.Killed, "")
	t.Note(history.Fault, "kill")
	t.place.current.kill()
	return nil
}

// Replace starts another process after Kill.
func (t *Taken) Replace() error { return t.fleet.start(t.place) }

// Note records what is done to the process.
func (t *Taken) Note(kind history.Kind, detail string) {
	t.fleet.cfg.History.Record(history.Event{Kind: kind, Client: t.place.current.cfg.Process, Detail: detail})
}
