package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// channel returns the name of the channel on which a lease's client is told.
func channel(lease driver.ID) string { return "leasehold_" + lease.String() }

// hint reads a notification: 32 digits of the ticket and 16 of the fence of a grant
// that was committed with it, all zero for a revocation; then the lock's name. What
// somebody else may have sent on the channel is no more than a reason to look. (A
// grant cannot be forged without the ticket, which only the tables show.)
func hint(payload string) driver.Hint {
	if len(payload) <= 48 {
		return driver.Hint{}
	}
	ticket, err := driver.ParseID(payload[:32])
	fence, err2 := strconv.ParseUint(payload[32:48], 16, 64)
	if err != nil || err2 != nil {
		return driver.Hint{}
	}
	return driver.Hint{Name: payload[48:], Ticket: ticket, Fence: fence}
}

// Listen implements driver.Listener. It has a connection of its own, dialled
// when it begins and closed when it returns; a second Listen on the same Conn
// waits for the first to end. Where the server process is lent there is no listening, so it
// looks: 5 to 100 ms after the last look while attempts of the lease wait, a tenth of the time
// since the last of them came or was granted; else once a second.
func (c *conn) Listen(ctx context.Context, lease driver.ID, wake func(driver.Hint)) error {
	return c.on(ctx, c.listen, func(ctx context.Context, s *session, sql *statements) error {
		if s.lent != nil {
			return (&poller{waits: c.waits, session: s, sql: sql, lease: lease, wake: wake}).run(ctx)
		}
		defer s.hangUp()
		listen := `LISTEN ` + pgx.Identifier{channel(lease)}.Sanitize()
		if _, err := s.PgConn().Exec(ctx, listen).ReadAll(); err != nil {
			return err
		}
		wake(driver.Hint{})
		for {
			n, err := s.WaitForNotification(ctx)
			if ctx.Err() != nil {
				return ctxError(ctx)
			}
			if err != nil {
				return err
			}
			wake(hint(n.Payload))
		}
	})
}

// hangUp closes the session for good, politely if the network lets it.
func (s *session) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), politeness)
	defer cancel()
	s.Close(ctx)
}
