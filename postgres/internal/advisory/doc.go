// Package advisory is the server's half of postgres.NewSession: advisory locks of
// PostgreSQL as the keys of package keyed.
//
// A name is a 64-bit key ([Key]). A [Session] is one connection; a goroutine always reads
// from its socket, so its end is seen at once. A batch is one statement, which waits for
// nobody: it tries keys, gives others back, and then draws fences by an update of one row,
// which begins when the steps have ended.
package advisory
