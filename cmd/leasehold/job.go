package main

import "time"

// job is what "leasehold run" is asked to do, and "leasehold elect" for each term. The front sends it to the keeper
// over a socket, because arguments and environment are open to others.
type job struct {
	Elect       bool          `json:"elect"` // the lock is an office, its fence a term
	Name        string        `json:"name"`
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
}

// verb is the subcommand that the job comes from.
func (j job) verb() string {
	if j.Elect {
		return "elect"
	}
	return "run"
}
