package torture

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// Config says what is done to which database. URL or File is set; every other field
// has a default.
type Config struct {
	// URL of a PostgreSQL database. The role must be allowed to create a schema in
	// it. The schema's name begins with leasehold_torture_.
	URL string

	// File is the path of an SQLite database, which need not exist. The file that
	// is worked on is in a new directory beside it, so on the same file system.
	File string

	// Duration of the work. The run takes up to ten TTLs more. Defaults to 20 s.
	Duration time.Duration

	// Clients is how many there are; each works in eight goroutines. Defaults to 4.
	Clients int

	// Seed of what clients and faults do. 0, the default: a random one.
	Seed uint64

	// TTL of the leases. Faults last up to twice as long. Defaults to 1.5 s.
	TTL time.Duration

	// Directory gets the history, whatever it shows; it is made, and must not hold
	// another one. Default: a temporary one, kept only if there are violations.
	Directory string
}

func (c Config) withDefaults() Config {
	c.Duration = cmp.Or(c.Duration, 20*time.Second)
	c.Clients = cmp.Or(c.Clients, 4)
	c.TTL = cmp.Or(c.TTL, 1500*time.Millisecond)
	c.Seed = cmp.Or(c.Seed, 1+rand.Uint64N(1<<32))
	return c
}

func (c Config) validate() error {
	switch {
	case (c.URL == "") == (c.File == ""):
		return errors.New("torture: give a URL or a File")
	case c.Duration < 0 || c.TTL < 0:
		return errors.New("torture: a duration below 0")
	case c.Clients < 2:
		return fmt.Errorf("torture: %d clients: at least 2", c.Clients)
	}
	return nil
}

func (c Config) directory() (string, error) {
	if c.Directory == "" {
		return os.MkdirTemp("", "leasehold-torture-")
	}
	return c.Directory, os.MkdirAll(c.Directory, 0o700)
}
