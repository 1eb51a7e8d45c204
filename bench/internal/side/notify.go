package side

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Notifier is the least that a hand-over costs: one committed update of one row that
// notifies, until another connection has the notification. It uses one connection.
type Notifier struct {
	conn *pgx.Conn
}

const notifySQL = `WITH u AS (UPDATE baton SET n = n + 1 WHERE name = $1 RETURNING n) SELECT pg_notify($2, $3) FROM u`

// OpenNotifier connects to the database at url and makes the row there if it is missing.
func OpenNotifier(ctx context.Context, url string) (*Notifier, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	n := &Notifier{conn: conn}
	// Several processes do this at the same time.
	_, err = conn.Exec(ctx, `
		SELECT pg_advisory_xact_lock(1);
		CREATE TABLE IF NOT EXISTS baton (name text COLLATE "C" PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 50);
		INSERT INTO baton VALUES ('a', 0) ON CONFLICT DO NOTHING`)
	if err == nil {
		_, err = conn.Prepare(ctx, notifySQL, notifySQL)
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return n, nil
}

// Notify updates the row and notifies the channel.
func (n *Notifier) Notify(ctx context.Context, channel, payload string) error {
	_, err := n.conn.Exec(ctx, notifySQL, "a", channel, payload)
	return err
}

// Listen makes the connection listen to a channel.
func (n *Notifier) Listen(ctx context.Context, channel string) error {
	_, err := n.conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize())
	return err
}

// Wait waits for a notification and returns its payload. When ctx ends, the connection
// stays usable.
func (n *Notifier) Wait(ctx context.Context) (string, error) {
	notification, err := n.conn.WaitForNotification(ctx)
	if err != nil {
		return "", err
	}
	return notification.Payload, nil
}

// Close closes the connection.
func (n *Notifier) Close() error { return n.conn.Close(context.Background()) }
