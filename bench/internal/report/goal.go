package report

import (
	"fmt"

	"github.com/leaseholdgo/leasehold/bench/internal/measure"
)

// goal is what a measure is to reach.
type goal struct {
	what    string // what is measured, and against what
	least   float64
	most    float64 // 0: there is none
	byValue bool    // it is about our own figure, not about the ratio
}

// goals of the measures, in the order in which they are listed.
var goals = []struct {
	name string
	goal
}{
	{"cycle_g1", goal{what: "acquire and release, 1 goroutine; floor with 1 connection", least: 0.9}},
	{"cycle_g8", goal{what: "8 goroutines, a name each; floor with 8 connections"}},
	{"cycle_g32", goal{what: "32 goroutines, a name each; floor with 32 connections", least: 1.5}},
	{"cycle_g128", goal{what: "128 goroutines, a name each; floor at its best"}},
	{"cycle_g512", goal{what: "512 goroutines, a name each; floor at its best", least: 7}},
	{"cycle_g512_vs_redsync", goal{what: "the same against redsync, one Redis without persistence", least: 2}},
	{"handover_p50", goal{what: "release until the next holder, in another process, holds; floor: commit + NOTIFY", most: 1.3}},
	{"contended_8", goal{what: "hand-overs of one name among 8 processes; floor: commit + NOTIFY round a ring", least: 0.8}},
	{"contended_8_share", goal{what: "the largest share of a process over the smallest", most: 1.05}},
	{"contended_4x4", goal{what: "16 processes on 4 names; against 16 on one name", least: 1.8}},
	{"contended_8_snapshot", goal{what: "contended_8 after 20 s with a long snapshot open; against itself before"}},
	{"hold_10000", goal{what: "statements of a renewal with 10,000 locks held", most: 1, byValue: true}},
	{"hold_connections", goal{what: "connections of a client that holds 1,000 locks and awaits 1,000", most: 3, byValue: true}},
	{"sqlite_g1", goal{what: "SQLite, 1 goroutine, one flush a cycle; floor: two commits in the same mode, two flushes", least: 0.8}},
	{"session_g8", goal{what: "locks of a session, 8 goroutines, a name each; floor: advisory locks by hand, 8 connections", least: 1}},
	{"session_g512", goal{what: "the same with 512 goroutines; floor with 8 connections", least: 2}},
	{"mariadb_g1", goal{what: "MariaDB, 1 goroutine; floor: two commits on 1 connection", least: 0.7}},
	{"mariadb_g64", goal{what: "MariaDB, 64 goroutines, a name each; floor with 64 connections", least: 2}},
	{"waiter_bytes", goal{what: "heap of a waiting goroutine beyond a bare one: 10,000 on one name", most: 1024, byValue: true}},
	{"waiter_bytes_1000_names", goal{what: "the same: 10,000 on 1,000 names"}},
}

// String says what is to be reached.
func (g goal) String() string {
	switch {
	case g.least > 0:
		return fmt.Sprint("at least ", g.least)
	case g.most > 0:
		return fmt.Sprint("at most ", g.most)
	}
	return "none"
}

// verdict says whether the result reaches it.
func (g goal) verdict(r measure.Result) string {
	value := r.Ratio
	if g.byValue {
		value = r.Ours
	}
	switch {
	case g.least == 0 && g.most == 0:
		return ""
	case g.least > 0 && value < g.least, g.most > 0 && value > g.most:
		return "**no**"
	}
	return "yes"
}
