package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// job is what "leasehold run" is asked to do, and "leasehold elect" for each term. The front sends it to the keeper
// over a socket, because arguments and environment are open to others.
type job struct {
	Elect       bool          `json:"elect"` // the lock is an office, its fence a term
	Names       []string      `json:"names"` // at least one, each once
	Shared      bool          `json:"shared"`
	Permits     int           `json:"permits"`  // 0: not with permits
	MinHold     time.Duration `json:"min_hold"` // 0: none
	Database    database      `json:"database"`
	Owner       string        `json:"owner"`
	TTL         time.Duration `json:"ttl"`
	StopTimeout time.Duration `json:"stop_timeout"`
	Connect     time.Duration `json:"connect"`
	Try         bool          `json:"try"`
	Wait        time.Duration `json:"wait"` // 0: for ever
	HeldStatus  int           `json:"held_status"`
	Path        string        `json:"path"`
	Args        []string      `json:"args"` // the first is the command as typed
	session     bool          // the flag; see Database
}

// verb is the subcommand that the job comes from.
func (j job) verb() string {
	if j.Elect {
		return "elect"
	}
	return "run"
}

// options are how each of the locks is to be held.
func (j job) options() []leasehold.Option {
	var opts []leasehold.Option
	if j.Shared {
		opts = append(opts, leasehold.Shared())
	}
	if j.Permits > 0 {
		opts = append(opts, leasehold.Permits(j.Permits))
	}
	if j.MinHold > 0 {
		opts = append(opts, leasehold.MinHold(j.MinHold))
	}
	return opts
}

// manyNames is how many names, or holders, a line for people lists.
const manyNames = 5

// locks is what the job holds, for people.
func (j job) locks() string {
	if len(j.Names) == 1 {
		return fmt.Sprintf("lock %q", j.Names[0])
	}
	var quoted []string
	for _, name := range j.Names[:min(len(j.Names), manyNames)] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	line := "locks " + strings.Join(quoted, ", ")
	if more := len(j.Names) - manyNames; more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	return line
}
