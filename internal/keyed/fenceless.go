package keyed

import "github.com/leaseholdgo/leasehold/driver"

// fenceless is a Conn of a Table whose fences are not drawn from the database.
type fenceless struct{ *Conn }

// Fenceless implements driver.Fenceless.
func (fenceless) Fenceless() {}

var _ driver.Fenceless = fenceless{}

// Of returns conn if it is one of a Table, or nil.
func Of(conn driver.Conn) *Conn {
	switch c := conn.(type) {
	case *Conn:
		return c
	case fenceless:
		return c.Conn
	}
	return nil
}
