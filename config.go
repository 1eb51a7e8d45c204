package leasehold

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
	"unicode"
	"unicode/utf8"
)

// Config says how a client behaves. The zero Config is good; invalid values are
// errors from Open.
type Config struct {
	// TTL bounds how long a dead client's locks stay taken, and how long an
	// outage of the database may last before locks are lost: choose it longer
	// than the outages to ride out. A renewal is sent every third of it.
	// Whole milliseconds, at least 100 ms; the store caps it (60 s unless it
	// was set otherwise). Defaults to 15 s, or the cap if that is less.
	TTL time.Duration

	// Owner names the client to people: in errors, listings, logs. At most 255
	// bytes of printable UTF-8. Defaults to the program's name.
	Owner string

	// App is the program's name, for people. Defaults to the base name of
	// os.Args[0]. At most 255 bytes of printable UTF-8.
	App string

	// Tolerance allows for steps of the database's clock, and for skew between
	// its hosts: a lease may be expired by that clock only when it is overdue
	// by more. Smaller means that a fresh process takes over sooner from one
	// that died before anybody watched it. Negative: never by any clock.
	// Defaults to the lease's TTL, at most 30 s.
	Tolerance time.Duration

	// Logger gets losses and failing renewals (Warn), and expiries of others
	// (Info). Names, owners and fences are logged. Nil is silence.
	Logger *slog.Logger

	// Observer is told what happens, for metrics and traces.
	Observer Observer
}

// MinTTL is the shortest TTL; shorter ones leave no room for a round trip.
const MinTTL = 100 * time.Millisecond

// DefaultTTL is the TTL of a zero Config.
const DefaultTTL = 15 * time.Second

const maxLabel = 255 // bytes of an owner or app

func (c Config) withDefaults() Config {
	c.TTL = cmp.Or(c.TTL, DefaultTTL)
	c.App = cmp.Or(c.App, filepath.Base(os.Args[0]))
	c.Owner = cmp.Or(c.Owner, c.App)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.TTL < MinTTL:
		return fmt.Errorf("%w TTL %v: the shortest is %v", ErrInvalid, c.TTL, MinTTL)
	case c.TTL%time.Millisecond != 0:
		return fmt.Errorf("%w TTL %v: use whole milliseconds", ErrInvalid, c.TTL)
	}
	if err := checkLabel("owner", c.Owner); err != nil {
		return err
	}
	return checkLabel("app", c.App)
}

func checkLabel(what, s string) error {
	if len(s) > maxLabel {
		return fmt.Errorf("%w %s: %d bytes, the most is %d", ErrInvalid, what, len(s), maxLabel)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w %s %q: not valid UTF-8", ErrInvalid, what, s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%w %s %q: %q is not printable", ErrInvalid, what, s, r)
		}
	}
	return nil
}
