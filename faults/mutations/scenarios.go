//go:build mutation

package main

import (
	"context"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// scenario is a script that leads a broken mechanism to harm, and an intact one to none.
type scenario struct {
	mutation mutation.Name
	breaks   string // what the checker says of it
	ttl      time.Duration
	play     func(*stage) error

	settings map[string]string // of a server of its own; nil: it needs none
}

var scenarios = []scenario{
	{mutation: mutation.NoMargin, breaks: "belief", ttl: 3 * time.Second, play: anyGrant},
	{mutation: mutation.FenceOutsideLock, breaks: "fence", ttl: 3 * time.Second, play: slowAcquire},
	{mutation: mutation.TakeOverByPlainUpdate, breaks: "counter", ttl: time.Second, play: cutInsideGuard},
	{mutation: mutation.TakeOverFromAnybody, breaks: "overlap", ttl: 3 * time.Second, play: crowdAtDeadHolder},
	{mutation: mutation.SameSnapshot, breaks: "overlap", ttl: 3 * time.Second, play: newLeaseDuringTakeOver},
	{mutation: mutation.SequenceIDs, breaks: "overlap", ttl: 1500 * time.Millisecond, play: leaseIssuedTwice},
	{mutation: mutation.NoGrace, breaks: "overlap", ttl: 1500 * time.Millisecond, play: lostGrant},
	{mutation: mutation.IgnoreEpochAndNotice, breaks: "overlap", ttl: time.Second, play: deafToRevocation},
	{mutation: mutation.GuardWithoutLease, breaks: "counter", ttl: time.Second, play: writeAfterExpiry},
	{mutation: mutation.ObserverTTL, breaks: "overlap", ttl: 1500 * time.Millisecond, play: cutHolder},
	{mutation: mutation.KeepSightings, breaks: "overlap", ttl: time.Second, play: longHold},
	{mutation: mutation.SharedOvertakes, breaks: "order", ttl: 3 * time.Second, play: readerAfterWriter},
	{mutation: mutation.ReleaseEndsMinHold, breaks: "minimum hold", ttl: 3 * time.Second, play: releasedEarly},
	{
		mutation: mutation.ForgetUnflushedReleases, breaks: "ghost", ttl: 4 * time.Second, play: crashAfterRelease,
		settings: map[string]string{"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"},
	},
}

// enterAll opens clients.
func (s *stage) enterAll(names ...string) ([]*player, error) {
	var players []*player
	for _, name := range names {
		p, err := s.enter(s.name[len("round/"):] + name)
		if err != nil {
			return nil, err
		}
		players = append(players, p)
	}
	return players, nil
}

// passes has a player obtain a lock and release it, in the background. The channel is closed
// when it has.
func passes(obtain func(name string) *held, name string) <-chan struct{} {
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		obtain(name).release()
	}()
	return passed
}

// anyGrant takes locks just after a renewal was sent.
func anyGrant(s *stage) error {
	players, err := s.enterAll("1", "2", "3")
	if err != nil {
		return err
	}
	for _, p := range players {
		p.acquire(s.name).release()
	}
	return nil
}

// slowAcquire stalls an acquisition before it locks the row, while another one is made
// and ended.
func slowAcquire(s *stage) error {
	if err := s.exec(`CREATE OR REPLACE FUNCTION leasehold.stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF current_setting('application_name') LIKE '%slow%' THEN PERFORM pg_sleep(0.4); END IF; RETURN NEW; END $$;
		CREATE OR REPLACE TRIGGER stall BEFORE INSERT ON leasehold.lock FOR EACH ROW EXECUTE FUNCTION leasehold.stall()`); err != nil {
		return err
	}
	players, err := s.enterAll("first", "slow", "quick")
	if err != nil {
		return err
	}
	players[0].acquire(s.name).release()
	slow := passes(players[1].try, s.name)
	if err := s.napping(1, slow); err != nil {
		return err
	}
	players[2].acquire(s.name).release()
	<-slow
	return nil
}

// cutInsideGuard cuts a holder off in the middle of a guarded transaction, for so long that
// its lease expires.
func cutInsideGuard(s *stage) error {
	players, err := s.enterAll("holder", "waiter")
	if err != nil {
		return err
	}
	h := players[0].acquire(s.name)
	next := make(chan struct{})
	h.increment(s.ctx, func() {
		players[0].cut.Store(true)
		go func() {
			defer close(next)
			w := players[1].acquire(s.name)
			w.increment(s.ctx, func() {})
			w.release()
		}()
		wait(next, 3*s.ttl)
	})
	<-next
	return nil
}

// crowdAtDeadHolder lets many find a dead holder at once.
func crowdAtDeadHolder(s *stage) error {
	if err := s.leaveDead(); err != nil {
		return err
	}
	players, err := s.enterAll("1", "2", "3", "4", "5", "6")
	if err != nil {
		return err
	}
	for _, p := range players {
		p.acquire("warm/" + p.who).release() // the lease is made, the statements are prepared
	}
	var wg sync.WaitGroup
	for _, p := range players {
		wg.Go(func() {
			if h := p.try(s.name); h != nil {
				time.Sleep(200 * time.Millisecond)
				h.release()
			}
		})
	}
	wg.Wait()
	return nil
}

// newLeaseDuringTakeOver lets a client come, and be granted the lock, while a take-over of
// that lock is on its way.
func newLeaseDuringTakeOver(s *stage) error {
	if err := s.leaveDead(); err != nil {
		return err
	}
	players, err := s.enterAll("1", "2", "3")
	if err != nil {
		return err
	}
	first := passes(players[0].try, s.name)
	if err := s.napping(1, first); err != nil {
		return err
	}
	wait(first, 200*time.Millisecond)
	second := passes(players[1].try, s.name)
	<-first
	h := players[2].try(s.name)
	<-second
	h.release()
	return nil
}

// leaseIssuedTwice closes a client whose lease a promoted standby knew nothing of.
func leaseIssuedTwice(s *stage) error {
	players, err := s.enterAll("early", "lost", "late", "waiter")
	if err != nil {
		return err
	}
	defer players[0].acquire("early/" + s.name).release()
	var sequence int64
	if err := s.pool.QueryRow(s.ctx, s.in(`SELECT last_value FROM leasehold.lease_id`)).Scan(&sequence); err != nil {
		return err
	}
	if err := s.copyAll(); err != nil {
		return err
	}
	lost := players[1].acquire("lost/" + s.name)
	if err := s.promoteCopy(sequence); err != nil {
		return err
	}
	h := players[2].acquire(s.name)
	next := passes(players[3].acquire, s.name)
	if err := s.queued(1); err != nil {
		return err
	}
	lost.release()
	players[1].leave()
	wait(next, s.ttl/2)
	h.release()
	<-next
	return nil
}

// lostGrant promotes a standby that lacks a grant.
func lostGrant(s *stage) error {
	players, err := s.enterAll("lost", "next")
	if err != nil {
		return err
	}
	if err := s.copyAll(); err != nil {
		return err
	}
	h := players[0].acquire(s.name)
	if err := s.promoteCopy(1); err != nil {
		return err
	}
	next := passes(players[1].acquire, s.name)
	h.releaseWhenLost(next)
	<-next
	return nil
}

// deafToRevocation revokes a lock from a holder that lives.
func deafToRevocation(s *stage) error {
	players, err := s.enterAll("holder", "waiter")
	if err != nil {
		return err
	}
	h := players[0].acquire(s.name)
	next := passes(players[1].acquire, s.name)
	if err := s.queued(1); err != nil {
		return err
	}
	if err := players[1].client.Revoke(s.ctx, s.name, h.lock.Fence(), "a test"); err != nil {
		return err
	}
	h.releaseWhenLost(next)
	<-next
	return nil
}

// writeAfterExpiry begins a guarded write when the lock was released, its client cut off
// and its lease ended, and an earlier guarded transaction still keeps the row as it was.
func writeAfterExpiry(s *stage) error {
	players, err := s.enterAll("holder", "waiter")
	if err != nil {
		return err
	}
	h := players[0].acquire(s.name)
	next := passes(players[1].acquire, s.name)
	if err := s.queued(1); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	inside, after, aborted := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(aborted)
		h.increment(ctx, func() {
			close(inside)
			<-after
			cancel()
		})
	}()
	<-inside
	h.release()
	players[0].cut.Store(true)
	if err := s.ended(h.lock.Hold().Lease); err != nil {
		return err
	}
	h.increment(s.ctx, func() {})
	close(after)
	<-aborted
	<-next
	return nil
}

// cutHolder cuts a holder off from the database, and from the news.
func cutHolder(s *stage) error {
	players, err := s.enterAll("holder", "waiter")
	if err != nil {
		return err
	}
	players[0].acquire(s.name)
	next := passes(players[1].acquire, s.name)
	if err := s.queued(1); err != nil {
		return err
	}
	players[0].cut.Store(true)
	<-next
	return nil
}

// longHold holds a lock for longer than the TTL while another client waits.
func longHold(s *stage) error {
	players, err := s.enterAll("holder", "waiter")
	if err != nil {
		return err
	}
	h := players[0].acquire(s.name)
	next := passes(players[1].acquire, s.name)
	wait(next, 2*s.ttl)
	h.release()
	<-next
	return nil
}

// queued waits until so many are in the queue.
func (s *stage) queued(n int) error {
	for {
		var queued int
		err := s.pool.QueryRow(s.ctx, s.in(`SELECT coalesce(sum(cardinality(queue_tickets)), 0) FROM leasehold.lock WHERE name = $1`), s.name).Scan(&queued)
		if err != nil || queued >= n {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// ended waits until the lease has no row.
func (s *stage) ended(id driver.ID) error {
	for {
		var there bool
		err := s.pool.QueryRow(s.ctx, s.in(`SELECT EXISTS (SELECT FROM leasehold.lease WHERE id = $1)`), id.String()).Scan(&there)
		if err != nil || !there {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// wait waits for the channel, for so long at the most.
func wait(c <-chan struct{}, d time.Duration) {
	select {
	case <-c:
	case <-time.After(d):
	}
}
