// Package pgbouncer runs private pgbouncer poolers for tests: each before one
// PostgreSQL server, on a free port of 127.0.0.1, and gone without a trace afterwards.
//
// It does not download anything: the program must be installed. It refuses to run as
// root, so a caller that is root gets it run as the user postgres, or nobody where
// there is no such user. It is for Unix only.
package pgbouncer
