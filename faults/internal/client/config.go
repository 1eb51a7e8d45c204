// Package client is a process under test: it opens clients of the library, one
// after the other, and works with locks as users do, in several goroutines at
// once, recording what it was told. It judges nothing.
package client

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/database"
)

// Config is what a process is told. The zero value is of no use.
type Config struct {
	Database  database.Config
	Process   string // "3.2": the second process in place 3
	Directory string // of the histories
	Seed      uint64
	TTL       time.Duration
	Tolerance time.Duration // as of leasehold.Config; negative: no clock decides
	Hot       []string      // names that all processes fight for
	Private   string        // a name that only this place uses
	Modes     []string      // names of Modes that all processes fight for
}

// variable holds a process's Config. Not an argument: those are shown to others,
// and there is a password in it.
const variable = "LEASEHOLD_FAULTS_CLIENT"

// Orders that a process reads from its standard input, one a line. At its end the
// process closes its client and exits.
const (
	// StopInside: the next guarded transaction on a hot name, if it comes soon,
	// stops its own process with SIGSTOP in the middle.
	StopInside = "stop inside"
)

// Environ returns the environment for a process.
func (c Config) Environ() ([]string, error) {
	text, err := json.Marshal(c)
	return append(os.Environ(), variable+"="+string(text)), err
}

// FromEnviron returns the Config this process was started with. It reports false
// if this is no client process.
func FromEnviron() (Config, bool, error) {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return Config{}, false, nil
	}
	var c Config
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&c); err != nil {
		return c, true, fmt.Errorf("%s: %w", variable, err)
	}
	return c, true, nil
}

// Names returns all names that processes in that many places use.
func Names(hot, modes []string, places int) []string {
	names := slices.Concat(hot, modes, Bursts())
	for place := range places {
		names = append(names, PrivateName(place))
	}
	return names
}

// PrivateName returns the name that only the processes in one place use.
func PrivateName(place int) string { return fmt.Sprintf("private/%d", place) }
