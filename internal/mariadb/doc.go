// Package mariadb runs private MariaDB servers for tests: each with a data
// directory of its own on a free port, to be stopped, killed, frozen and
// restarted at will, and gone without a trace afterwards.
//
// It does not download anything: the server's programs must be installed. The
// server refuses to run as root, so a caller that is root gets it run as the user
// mysql, or nobody where there is no such user.
package mariadb
