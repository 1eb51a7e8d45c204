package driver

import "context"

// Finding is what a look at a store says about one thing. It holds no password and
// no name of a lock.
type Finding struct {
	Check string `json:"check"` // what was looked at, in a word or two
	Level Level  `json:"level"`
	// Finding is what was found, and Advice what to do about it: empty where
	// there is nothing to be done.
	Finding string `json:"finding"`
	Advice  string `json:"advice"`
}

// Level says how much a Finding matters.
type Level string

const (
	// LevelOK: nothing has to be done. Advice, if any, is for some uses only.
	LevelOK Level = "ok"
	// LevelWarning: locks work, but something is slower, weaker or less certain
	// than it could be, or could not be found out.
	LevelWarning Level = "warning"
	// LevelProblem: locks do not work here, or are not safe, until it is changed.
	LevelProblem Level = "problem"
)

// Diagnoser is implemented by a Store that can say whether its database is fit to
// keep locks in.
type Diagnoser interface {
	// Diagnose looks, and changes no lock, lease or table. An error means that
	// the database could not be looked at at all; it is marked with Permanent
	// where a repeated call cannot help. What could not be found out for other
	// reasons is a Finding. It takes a few seconds, and returns when ctx ends.
	Diagnose(ctx context.Context) ([]Finding, error)
}
