package private

import (
	"errors"
	"os"
)

// Program is a kind of test server.
type Program struct {
	Name  string // for people
	Short string // for the names of directories
	// User is whom it runs as where we are root: see FindOwner.
	User string
	// End ends it when we have: a fragment of a shell script, with its directory as $1.
	End string
}

// Make makes a directory for a server of that kind, in the system's temporary directory. The
// directory is removed, and the server ended, with Close or with this process, however that
// ends.
func (p Program) Make() (*Process, error) {
	owner, err := FindOwner(p.Name, p.User)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "leasehold-"+p.Short+"-")
	if err != nil {
		return nil, err
	}
	guard, err := startGuard(dir, p.End)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Process{Dir: dir, Owner: owner, program: p, guard: guard}, nil
}
