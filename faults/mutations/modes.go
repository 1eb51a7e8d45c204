//go:build mutation

package main

import "time"

// readerAfterWriter lets a reader come while a writer waits for another reader.
func readerAfterWriter(s *stage) error {
	players, err := s.enterAll("reader", "writer", "late")
	if err != nil {
		return err
	}
	players[1].acquire("own/" + s.name).release() // its lease is known from then on
	first := players[0].share(s.name)
	written := passes(players[1].acquire, s.name)
	if err := s.waiting(1); err != nil {
		return err
	}
	read := passes(players[2].share, s.name)
	wait(read, s.ttl/6) // with the writer before it, it is not granted the lock yet
	first.release()
	<-written
	<-read
	return nil
}

// releasedEarly releases a lock before its minimum hold is over, while another client waits.
func releasedEarly(s *stage) error {
	players, err := s.enterAll("holder", "waiter")
	if err != nil {
		return err
	}
	players[1].acquire(s.name).release() // a fence to compare with
	h := players[0].keep(s.name, s.ttl/3)
	next := passes(players[1].acquire, s.name)
	if err := s.waiting(1); err != nil {
		return err
	}
	h.release()
	<-next
	return nil
}

// waiting waits until so many are in the queue of a row that is not plain.
func (s *stage) waiting(n int) error {
	for {
		l, err := s.row()
		if err != nil || len(l.Queue) >= n {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
