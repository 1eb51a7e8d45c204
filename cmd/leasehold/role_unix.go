//go:build unix

package main

// otherRole runs the processes that "leasehold run" starts from this executable.
// They are told apart by the name they were given, see doc.go.
func otherRole(args []string) (status int, ok bool) {
	if len(args) == 0 {
		return 0, false
	}
	switch args[0] {
	case keeperName:
		return keeperMain(args), true
	case starterName:
		return starterMain(args), true
	}
	return 0, false
}
