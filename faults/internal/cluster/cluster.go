// Package cluster is the database servers of a trial and the network before them,
// with what nemeses do to both.
//
// Client processes reach the servers through proxies, one for each pair of a
// process's place and a slot for a server; so each process has a network of its
// own, and a server that takes the slot of one that is gone is found at the same
// address.
//
// The clients' wall clocks are not moved, because that cannot be done to a Go
// program from outside: it reads the clock from the kernel's page (vDSO) and never
// calls the library that libfaketime replaces, and time namespaces leave the wall
// clock alone. The servers' clock is started years away from that of all clients
// instead, and a test shows that nothing sent to a server has to do with the time
// of day of a client.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/proxy"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// Config says what servers there are. The zero value is of no use.
type Config struct {
	Places      int
	Standbys    int
	Synchronous bool              // commits wait for the first standby
	Settings    map[string]string // of all servers
	Ahead       time.Duration     // of all servers' clocks, before anything else happens
	Clock       bool              // their clocks can be moved
	Disk        int64             // see pgserver.Config
	MariaDB     bool              // one server of that kind; no standby, and no clock or disk of its own
	Seed        uint64
}

// Cluster is the servers and the proxies. Its methods are called one after the
// other, but for those of links.
type Cluster struct {
	cfg     Config
	dice    *rand.Rand
	slots   []*pgserver.Server // one is the primary, the others are standbys or nil
	primary int                // a slot
	made    int                // standbys made
	ahead   time.Duration      // of the clocks

	links   []*proxy.Link    // of each place
	proxies [][]*proxy.Proxy // of each place and slot

	maria   *maria   // not nil: the only server
	outside *outside // not nil: a database that is not ours
}

// Start starts a primary, its standbys and the proxies. The caller calls Close,
// unless there is an error.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	c := &Cluster{
		cfg: cfg, ahead: cfg.Ahead, dice: dice(cfg.Seed),
		slots: make([]*pgserver.Server, 1+cfg.Standbys),
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.connect(len(c.slots)); err != nil {
		return err
	}
	if c.cfg.MariaDB {
		return c.startMaria(ctx)
	}
	server, err := pgserver.Start(ctx, pgserver.Config{
		Settings: c.cfg.Settings, Clock: c.cfg.Clock, Disk: c.cfg.Disk,
	})
	if err != nil {
		return err
	}
	c.put(0, server)
	if c.cfg.Clock {
		if err := server.Step(c.ahead); err != nil {
			return err
		}
	}
	return c.Refill(ctx)
}

// connect makes links and proxies.
func (c *Cluster) connect(slots int) error {
	for place := range c.cfg.Places {
		link := proxy.NewLink(c.cfg.Seed + uint64(place))
		c.links = append(c.links, link)
		c.proxies = append(c.proxies, nil)
		for range slots {
			p, err := proxy.New(link)
			if err != nil {
				return err
			}
			c.proxies[place] = append(c.proxies[place], p)
		}
	}
	return nil
}

// put puts a server into a slot, or nil.
func (c *Cluster) put(slot int, server *pgserver.Server) {
	c.slots[slot] = server
	target := ""
	if server != nil {
		target = fmt.Sprintf("127.0.0.1:%d", server.Port())
	}
	for _, ofPlace := range c.proxies {
		ofPlace[slot].Point(target)
	}
}

// Close ends everything.
func (c *Cluster) Close() error {
	c.Heal()
	var made []io.Closer
	for _, p := range slices.Concat(c.proxies...) {
		made = append(made, p)
	}
	for _, s := range c.slots {
		if s != nil {
			made = append(made, s)
		}
	}
	if c.maria != nil {
		made = append(made, c.maria)
	}
	var errs []error
	for _, m := range made {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
