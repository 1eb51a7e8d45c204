package postgres

import (
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
	"github.com/leaseholdgo/leasehold/postgres/internal/advisory"
)

// sessionConn returns conn if it is one of a SessionStore, or nil.
func sessionConn(conn driver.Conn) *keyed.Conn { return keyed.Of(conn) }

// guardSession guards a lock of a SessionStore. From the first statement on nobody who does
// not hold the lock yet is granted it; the look at the lock comes after that, both at
// what the process knows and at what the server does.
func guardSession(hold driver.Hold, c *keyed.Conn, query func(sql string, args ...any) scanner) error {
	high, low := advisory.HalvesOf(c, hold.Name)
	var done, holds bool
	if err := query(advisory.GuardSQL, high, low).Scan(&done); err != nil {
		return err
	}
	proof, err := advisory.Prove(c, hold.Attempt)
	switch {
	case errors.Is(err, advisory.ErrForeign):
		return fmt.Errorf("%w: %w", leasehold.ErrUnsupported, err)
	case err != nil:
		return fmt.Errorf("%w: %w", leasehold.ErrNotHeld, err)
	}
	if err := query(advisory.HoldsSQL, proof.PID, proof.Key, proof.Identity).Scan(&holds); err != nil {
		return err
	}
	if !holds {
		return fmt.Errorf("%w: its session has ended", leasehold.ErrNotHeld)
	}
	return nil
}
