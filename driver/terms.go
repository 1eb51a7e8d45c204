package driver

import "time"

// Mode is how a lock is held.
type Mode int

const (
	// Exclusive: nobody else holds.
	Exclusive Mode = iota
	// Shared: others may hold it shared too.
	Shared
	// Permit: others may hold permits too, up to the limit.
	Permit
)

// MaxLimit is the largest limit of permits.
const MaxLimit = 10_000

// Terms are what an attempt asks for. The zero Terms ask for the lock alone. Two
// Terms that ask for the same are equal by ==.
type Terms struct {
	Mode Mode
	// Limit says how many may hold a permit at once, from 1 to MaxLimit. Only for
	// Permit, else 0.
	Limit int
	// MinHold is how long the lock stays taken after the grant at least, by the
	// store's clock, whatever becomes of the holder; whole milliseconds. Only for
	// Exclusive, else 0.
	MinHold time.Duration
}
