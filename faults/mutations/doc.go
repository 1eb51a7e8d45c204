// Command mutations shows that the checks notice what they are there for. For each
// mutation it runs a scenario against a PostgreSQL server of its own, once in a process
// with the mutation and once in one without, and judges both histories; and it lets the
// explorer look for an order of events that the mutation breaks.
//
//	go run -tags mutation ./faults/mutations
//
// It does not show that a mechanism is intact: only that its absence would not go
// unnoticed. The exit status is 1 if a mutation was not caught, or if a history without
// one has a violation.
package main
