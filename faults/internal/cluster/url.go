package cluster

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/faults/internal/proxy"
)

// name is what all sessions of clients go by: no others are ended.
const name = "leasehold_faults"

// URL returns how the process in a place reaches the primary, whichever server
// that is.
func (c *Cluster) URL(place int) string {
	if c.maria != nil {
		return c.maria.through(c.proxies[place][0].Addr())
	}
	u := parse(c.address())
	query := u.Query()
	query.Set("application_name", name)
	if len(c.proxies) > 0 {
		var hosts []string
		for _, p := range c.proxies[place] {
			hosts = append(hosts, p.Addr())
		}
		u.Host = strings.Join(hosts, ",")
		query.Set("target_session_attrs", "read-write")
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// Direct returns how to reach the present primary past all proxies, in spite of
// what a trial does to its servers' settings.
func (c *Cluster) Direct() string {
	if c.outside != nil {
		return c.outside.url
	}
	if c.maria != nil {
		return c.maria.URL()
	}
	return c.address() + "&statement_timeout=0&default_transaction_isolation=read%20committed"
}

func (c *Cluster) address() string {
	if c.outside != nil {
		return c.outside.url
	}
	return c.slots[c.primary].URL()
}

// parse parses a URL that was parsed before.
func parse(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic("cluster: a bad URL") // it may hold a password
	}
	return u
}

// outside is a database that is not ours: nothing is done to its server but
// through sessions of our own clients.
type outside struct{ url string }

var errAddress = errors.New("the database's address: want postgres://user@host/database, with one host")

// Outside returns a Cluster of a server that exists. If proxied, clients reach it
// through proxies: not possible over a Unix socket, or where its certificate is
// checked against its name.
func Outside(address string, places int, proxied bool, seed uint64) (*Cluster, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, err // without the password
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.Contains(u.Host, ",") {
		return nil, errAddress
	}
	c := &Cluster{cfg: Config{Places: places, Seed: seed}, outside: &outside{address}, dice: dice(seed)}
	if !proxied {
		return c, nil
	}
	if err := c.connect(1); err != nil {
		return nil, err
	}
	for _, ofPlace := range c.proxies {
		ofPlace[0].Point(net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
	}
	return c, nil
}

// Owned reports whether the servers are ours to stop.
func (c *Cluster) Owned() bool { return c.outside == nil }

// Link returns the network of a place; nil if it has none of its own.
func (c *Cluster) Link(place int) *proxy.Link {
	if len(c.links) == 0 {
		return nil
	}
	return c.links[place]
}

// Reset breaks the connections of a place.
func (c *Cluster) Reset(place int) {
	for _, p := range c.proxies[place] {
		p.Reset()
	}
}

// Heal heals all links.
func (c *Cluster) Heal() {
	for _, l := range c.links {
		l.Heal()
	}
}
