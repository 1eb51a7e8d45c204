//go:build mutation

package main

import (
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// crashAfterRelease kills the server just after a release was answered that did not wait for
// the disk. The server's settings are such that what nobody waits for is written late; so
// the release is lost with the server's memory, and the lease is not.
func crashAfterRelease(s *stage) error {
	players, err := s.enterAll("holder", "next")
	if err != nil {
		return err
	}
	players[1].acquire("warm/" + s.name).release()
	other := players[0].acquire("other/" + s.name) // so that the lease lives on
	h := players[0].acquire(s.name)
	h.release()
	if err := s.crash(); err != nil {
		return err
	}
	next := players[1].obtain(s.name, s.ttl*3/2, history.Terms{}, players[1].client.Acquire)
	if next == nil {
		s.stuck = append(s.stuck, s.name)
	}
	next.release()
	other.release()
	return nil
}

// crash kills the server of the scenario, with what is in its memory only, and starts it
// again.
func (s *stage) crash() error {
	s.history.Record(history.Event{Kind: history.Fault, Detail: "crash of the server"})
	if err := s.server.Kill(); err != nil {
		return err
	}
	var err error
	for range 20 {
		if err = s.server.Restart(s.ctx); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond) // until the last of its processes has ended
	}
	if err != nil {
		return err
	}
	s.history.Record(history.Event{Kind: history.Healed, Detail: "crash of the server"})
	s.pool.Reset()
	return nil
}

// row reads the row of the lock; it is empty if there is none.
func (s *stage) row() (driver.Lock, error) {
	conn, err := s.database.Store().Connect(s.ctx, driver.Settings{TTL: s.ttl})
	if err != nil {
		return driver.Lock{}, err
	}
	view, err := conn.Read(s.ctx, driver.Query{Names: []string{s.name}})
	if err := errors.Join(err, conn.Close()); err != nil || len(view.Locks) == 0 {
		return driver.Lock{}, err
	}
	return view.Locks[0], nil
}
