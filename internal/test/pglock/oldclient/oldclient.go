// Package oldclient plays a client of the original pglock: what such a client does to
// the table, made from a description of that protocol. Tests let it compete with
// compat/pglock.
package oldclient

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Client is one client. Its methods may be called from several goroutines.
type Client struct {
	DB        *sql.DB
	Table     string
	Owner     string
	Lease     time.Duration
	Heartbeat time.Duration
}

// ErrLost: the row bears another record version number.
var ErrLost = errors.New("oldclient: the lock was lost")

// Held is a row that the client owns while it bears RVN.
type Held struct {
	client *Client
	name   string
	RVN    int64
}

// acquireSQL writes the row in any case: with a new number if it is free or has not
// changed since it was last seen, else with what it has.
const acquireSQL = `INSERT INTO %[1]s AS l (name, record_version_number, data, owner) VALUES ($1, $2, NULL, $3)
	ON CONFLICT (name) DO UPDATE SET
		record_version_number = CASE WHEN l.record_version_number IS NULL OR l.record_version_number = $4 THEN $2 ELSE l.record_version_number END,
		owner = CASE WHEN l.record_version_number IS NULL OR l.record_version_number = $4 THEN $3 ELSE l.owner END
	RETURNING record_version_number`

// Acquire asks for the row, once in a lease duration, until it has it.
func (c *Client) Acquire(ctx context.Context, name string) (*Held, error) {
	seen := int64(-1)
	for {
		own, has, err := c.try(ctx, name, seen)
		switch {
		case err != nil:
			return nil, err
		case own == has:
			return &Held{client: c, name: name, RVN: own}, nil
		}
		seen = has
		timer := time.NewTimer(c.Lease)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// try asks once. It returns the number that was drawn, and that which the row has.
func (c *Client) try(ctx context.Context, name string, seen int64) (own, has int64, err error) {
	tx, err := c.DB.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	defer tx.Rollback()
	if own, err = c.draw(ctx, tx); err != nil {
		return 0, 0, err
	}
	if err := tx.QueryRowContext(ctx, fmt.Sprintf(acquireSQL, c.Table), name, own, c.Owner, seen).Scan(&has); err != nil {
		return 0, 0, err
	}
	return own, has, tx.Commit()
}

func (c *Client) draw(ctx context.Context, tx *sql.Tx) (rvn int64, err error) {
	return rvn, tx.QueryRowContext(ctx, fmt.Sprintf(`SELECT nextval('%s_rvn')`, c.Table)).Scan(&rvn)
}

// Keep sends heartbeats until ctx ends, or one of them finds that the row was lost.
func (h *Held) Keep(ctx context.Context) error {
	ticker := time.NewTicker(h.client.Heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := h.Beat(context.WithoutCancel(ctx)); err != nil {
				return err
			}
		}
	}
}

// Beat gives the row a new number, if it bears the last one.
func (h *Held) Beat(ctx context.Context) error {
	tx, err := h.client.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	rvn, err := h.client.draw(ctx, tx)
	if err != nil {
		return err
	}
	update := fmt.Sprintf(`UPDATE %s SET record_version_number = $1 WHERE name = $2 AND record_version_number = $3`, h.client.Table)
	if err := one(tx.ExecContext(ctx, update, rvn, h.name, h.RVN)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	h.RVN = rvn
	return nil
}

// Release deletes the row, if it bears the last number. Keep has returned.
func (h *Held) Release(ctx context.Context) error {
	remove := fmt.Sprintf(`DELETE FROM %s WHERE name = $1 AND record_version_number = $2`, h.client.Table)
	return one(h.client.DB.ExecContext(ctx, remove, h.name, h.RVN))
}

func one(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrLost, err)
	}
	return nil
}
