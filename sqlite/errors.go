package sqlite

import (
	"errors"
	"fmt"
	"io/fs"

	modernc "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/leaseholdgo/leasehold/driver"
)

var errClosed = driver.Permanent(errors.New("sqlite: the connection is closed"))

// errReplaced is the error of a client that would write to a file which is no
// longer the one that others find.
var errReplaced = errors.New("the database file was deleted or replaced: connect again")

// code returns SQLite's primary result code, or 0 for other errors.
func code(err error) int {
	var e *modernc.Error
	if !errors.As(err, &e) {
		return lib.SQLITE_OK
	}
	return e.Code() & 0xff
}

func isBusy(err error) bool {
	c := code(err)
	return c == lib.SQLITE_BUSY || c == lib.SQLITE_LOCKED
}

// hints say, for errors that repeating the call does not cure, what is wrong.
var hints = map[int]string{
	lib.SQLITE_READONLY:   "the database file, or its directory, cannot be written to by this user",
	lib.SQLITE_PERM:       "no permission on the database file",
	lib.SQLITE_AUTH:       "no permission on the database file",
	lib.SQLITE_CANTOPEN:   "the database file, or one beside it, cannot be opened by this user",
	lib.SQLITE_CORRUPT:    "the database file is damaged: restore it, or move it away to begin anew",
	lib.SQLITE_NOTADB:     "the file is not an SQLite database, or encrypted",
	lib.SQLITE_ERROR:      "the tables are not as this program knows them",
	lib.SQLITE_SCHEMA:     "the tables are not as this program knows them",
	lib.SQLITE_CONSTRAINT: "the database cannot store this",
	lib.SQLITE_TOOBIG:     "the database cannot store this",
	lib.SQLITE_MISMATCH:   "the database cannot store this",
}

// classify marks what repeating cannot cure, and says what is wrong.
func classify(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return driver.Permanent(err) // on the file of a lease
	}
	hint, ok := hints[code(err)]
	if err == nil || !ok {
		return err
	}
	return driver.Permanent(fmt.Errorf("%s: %w", hint, err))
}

// corrupt is the error of a row that breaks an invariant. Nothing is changed by
// a transition that meets one.
func corrupt(table, key, what string) error {
	return driver.Permanent(fmt.Errorf("the row of %s %q is damaged (%s); nothing was changed", table, key, what))
}
