package distrlock

import (
	"cmp"
	"fmt"
	"time"
)

const (
	defaultTTL            = time.Minute
	defaultReleaseTimeout = 5 * time.Second
)

// Logger gets what DoExclusively cannot return.
type Logger interface {
	Errorf(format string, args ...any)
}

// DoOption changes how DoExclusively holds its lock. A value of zero means the default, a negative one is an
// error from DoExclusively.
type DoOption func(*doConfig)

type doConfig struct {
	ttl      time.Duration
	interval time.Duration
	release  time.Duration
	log      Logger
}

// WithLockTTL sets how long the lock stays taken after its holder died, and how long an outage of
// the database may last before it is lost. Defaults to 1 min.
func WithLockTTL(ttl time.Duration) DoOption { return func(c *doConfig) { c.ttl = ttl } }

// WithPeriodicExtendInterval sets the time between two extensions. Defaults to half of the TTL. With an
// interval that is longer than the TTL the function's context ends before the first one.
func WithPeriodicExtendInterval(interval time.Duration) DoOption {
	return func(c *doConfig) { c.interval = interval }
}

// WithReleaseTimeout bounds the release after the function has returned. Defaults to 5 s.
func WithReleaseTimeout(timeout time.Duration) DoOption {
	return func(c *doConfig) { c.release = timeout }
}

// WithLogger sets who is told of extensions and releases that fail. Defaults to nobody.
func WithLogger(log Logger) DoOption { return func(c *doConfig) { c.log = log } }

func newDoConfig(options []DoOption) (doConfig, error) {
	var c doConfig
	for _, option := range options {
		option(&c)
	}
	for _, d := range []struct {
		what  string
		value time.Duration
	}{{"TTL", c.ttl}, {"interval of extensions", c.interval}, {"release timeout", c.release}} {
		if d.value < 0 {
			return c, fmt.Errorf("distrlock: the %s %v is negative", d.what, d.value)
		}
	}
	c.ttl = cmp.Or(c.ttl, defaultTTL)
	c.interval = cmp.Or(c.interval, max(c.ttl/2, 1))
	c.release = cmp.Or(c.release, defaultReleaseTimeout)
	if c.log == nil {
		c.log = silence{}
	}
	return c, nil
}

type silence struct{}

func (silence) Errorf(string, ...any) {}
