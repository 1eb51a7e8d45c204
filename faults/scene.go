package main

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/cluster"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// scene is a store with its servers, and what may be done to them and to clients.
type scene struct {
	name      string
	store     string
	nemeses   []string
	servers   cluster.Config // without places, seed and kind
	steps     time.Duration  // of the database's clock, either way
	tolerance time.Duration  // of the clients; 0: the default, which is their TTL here
}

var (
	ofClients  = []string{"stop", "stop-inside", "kill"}
	ofNetwork  = []string{"partition", "slow", "stall", "reset"}
	ofSessions = []string{"terminate", "cancel"}
)

// scenes returns all there are, with what is drawn by the seed.
func scenes(ttl time.Duration, seed uint64) []scene {
	clients := func(more ...[]string) []string { return slices.Concat(append(more, ofClients)...) }
	all := []scene{
		{name: "sqlite", store: database.SQLite, nemeses: clients()},
		{
			name: "server", store: database.Postgres, servers: server(seed), steps: ttl * 9 / 20,
			nemeses: clients(ofSessions, []string{"crash", "restart", "connections", "disk", "snapshot", "clock"}),
		},
		{
			name: "network", store: database.Postgres,
			nemeses: clients(ofSessions, ofNetwork, []string{"crash"}),
		},
		{
			name: "async", store: database.Postgres, servers: cluster.Config{Standbys: 2},
			nemeses: clients(ofSessions, ofNetwork, []string{"failover"}),
		},
		{
			name: "sync", store: database.Postgres, servers: cluster.Config{Standbys: 1, Synchronous: true},
			nemeses: clients(ofSessions, ofNetwork, []string{"failover", "crash"}),
		},
		{
			name: "clocks", store: database.Postgres, servers: cluster.Config{Clock: true},
			steps: 10 * time.Minute, tolerance: -1,
			nemeses: clients(ofSessions, []string{"clock", "crash"}),
		},
		{
			name: "session", store: database.Session,
			nemeses: clients(ofSessions, []string{"crash", "restart", "connections", "snapshot"}),
		},
		{
			name: "session-network", store: database.Session,
			nemeses: clients(ofSessions, ofNetwork),
		},
		{
			name: "mariadb", store: database.MariaDB,
			nemeses: clients(ofSessions, ofNetwork, []string{"crash", "restart", "connections"}),
		},
		{
			name: "mysql-session", store: database.MySQLSession,
			nemeses: clients(ofSessions, ofNetwork, []string{"crash", "restart", "connections"}),
		},
	}
	return all
}

// server draws the settings of a server that is not set up for locks, and the time
// of day it believes in.
func server(seed uint64) cluster.Config {
	r := rand.New(rand.NewPCG(seed, 4))
	draw := func(values ...string) string { return values[r.IntN(len(values))] }
	const year = 365 * 24 * time.Hour
	c := cluster.Config{
		Clock: true, Ahead: time.Duration(r.Int64N(int64(20*year))) - 10*year,
		Settings: map[string]string{
			"max_connections":               "110",
			"max_wal_size":                  "64MB",
			"min_wal_size":                  "32MB",
			"default_transaction_isolation": draw("read committed", "repeatable read", "serializable"),
			"statement_timeout":             draw("0", "100"),
			"synchronous_commit":            draw("on", "off"),
			"TimeZone":                      draw("UTC", "Pacific/Kiritimati", "America/St_Johns"),
		},
	}
	if pgserver.CanLimitDisk() {
		c.Disk = 320 << 20
	}
	return c
}

// chosen returns the scenes that the options leave something of.
func (o options) chosen(seed uint64) []scene {
	var some []scene
	all := scenes(o.ttl, seed)
	if o.url != "" {
		all = []scene{{name: "outside", store: database.Postgres, nemeses: slices.Concat(ofClients, ofSessions, ofNetwork)}}
	}
	for _, s := range all {
		s.nemeses = slices.DeleteFunc(s.nemeses, func(name string) bool { return !slices.Contains(o.nemeses, name) })
		if slices.Contains(o.stores, s.store) && (o.url != "" || slices.Contains(o.scenes, s.name)) && len(s.nemeses) > 0 {
			some = append(some, s)
		}
	}
	return some
}

// sceneNames returns the names of all scenes.
func sceneNames() []string {
	var names []string
	for _, s := range scenes(0, 0) {
		names = append(names, s.name)
	}
	return names
}

// networked reports whether the scene's processes need a network of their own.
func (s scene) networked() bool {
	return slices.ContainsFunc(s.nemeses, func(name string) bool { return slices.Contains(ofNetwork, name) })
}
