package mysql

import (
	"context"
	"database/sql"
	"time"

	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// The connection that holds the locks also holds one under a random name, its mark. Another
// one waits for that, at the server: it is given the mark at the moment at which the first
// has ended, for whatever reason. While that other one is replaced, the first is asked
// itself.

// watchTime is how long one statement waits for the mark.
const watchTime = time.Minute

// await ends the session when the server has.
func (h *named) await() {
	pauses := backoff.New(5*time.Millisecond, 50*time.Millisecond)
	for h.ctx.Err() == nil {
		if h.watch.use(h.ctx, h.awaitMark) == nil {
			return
		}
		_ = h.exchange(h.ctx, h.ask) // if it has ended, that ends the session
		if !backoff.Sleep(h.ctx, pauses.Next()) {
			return
		}
	}
}

// awaitMark returns nil when the session has ended.
func (h *named) awaitMark(ctx context.Context, s *session) error {
	for {
		var got sql.NullInt64
		err := s.run(ctx, statement{"SELECT GET_LOCK('" + h.main.mark + "', " + number(int64(watchTime.Seconds())) + ")", row(&got)})
		switch {
		case err != nil:
			return err
		case got.Int64 == 1:
			h.Fail(errEnded)
			return nil
		case !got.Valid && !backoff.Sleep(ctx, 10*time.Millisecond):
			return ctxError(ctx)
		}
	}
}

// attend makes the connections that serve the session, so that a pool of the caller's that
// has none to give is noticed now.
func (h *named) attend(ctx context.Context) error {
	for _, l := range []*link{h.watch, h.side} {
		if err := l.use(ctx, func(context.Context, *session) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}
