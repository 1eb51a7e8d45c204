// Package server runs the private servers that are measured: PostgreSQL, Redis and
// etcd, each on a free port of the loopback interface, with its files in a temporary
// directory. They end, and their files go, with Close or with this process, however
// that ends.
//
// It downloads nothing but packages of a Debian system, and those only as root: see
// Start.
package server
