package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// channel returns the name of the channel on which a lease's client is told.
func channel(lease driver.ID) string { return "leasehold_" + lease.String() }

// Listen implements driver.Listener. It has a connection of its own, dialled
// when it begins and closed when it returns; a second Listen on the same Conn
// waits for the first to end.
func (c *conn) Listen(ctx context.Context, lease driver.ID, wake func(name string)) error {
	return c.on(ctx, c.listen, func(ctx context.Context, s *session, _ *statements) error {
		defer s.hangUp()
		listen := `LISTEN ` + pgx.Identifier{channel(lease)}.Sanitize()
		if _, err := s.PgConn().Exec(ctx, listen).ReadAll(); err != nil {
			return err
		}
		wake("")
		for {
			n, err := s.WaitForNotification(ctx)
			if ctx.Err() != nil {
				return ctxError(ctx)
			}
			if err != nil {
				return err
			}
			wake(n.Payload)
		}
	})
}

// hangUp closes the session for good, politely if the network lets it.
func (s *session) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), politeness)
	defer cancel()
	_ = s.Close(ctx)
	s.discard()
}
