package mysql

import (
	"context"

	"github.com/leaseholdgo/leasehold/driver"
)

// InnoDB shows a commit to others before it is on the disk; a crash in between undoes it.
// So a grant that another client has made, by a hand-over, is believed only when a commit
// of ours that came after it has waited for the disk: the log is flushed in order.

// known is a small set of tickets. It is emptied when it has grown large: to ask again
// harms nothing.
type known map[driver.ID]struct{}

const maxKnown = 10_000

func (k known) add(ticket driver.ID) {
	if len(k) >= maxKnown {
		clear(k)
	}
	k[ticket] = struct{}{}
}

// makeSure returns when all grants of this Conn's leases that the rows show are on the
// disk.
func (c *conn) makeSure(ctx context.Context, s *session, rows []driver.Lock) error {
	fresh := c.unsure(rows)
	if len(fresh) == 0 {
		return nil
	}
	if err := s.run(ctx, plain(c.t.flushSQL())...); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ticket := range fresh {
		c.sure.add(ticket)
	}
	return nil
}

// unsure returns the tickets of such grants that are not known to be.
func (c *conn) unsure(rows []driver.Lock) (tickets []driver.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range rows {
		for g := range rows[i].Grants() {
			if _, ok := c.sure[g.Ticket]; !ok && c.leases[g.Lease] {
				tickets = append(tickets, g.Ticket)
			}
		}
	}
	return tickets
}

// acquired notes the reply to an acquisition: a grant that is on the disk, or a place in
// the queue.
func (c *conn) acquired(a driver.Attempt, l *driver.Lock) {
	switch {
	case l.HeldBy(a.Place()):
		c.mu.Lock()
		c.sure.add(a.Ticket)
		c.mu.Unlock()
	case l.Ahead(a.Place()) >= 0:
		c.expect(a)
	}
}
