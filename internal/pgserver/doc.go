// Package pgserver runs private PostgreSQL servers for tests: each with a data
// directory of its own on a free port, to be stopped, killed, frozen and
// restarted at will, and gone without a trace afterwards.
//
// It does not download anything: the server's binaries must be installed. They
// refuse to run as root, so a caller that is root gets them run as the user
// postgres, or nobody where there is no such user.
package pgserver
